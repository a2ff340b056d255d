"""Retention is recorded before anything is deleted."""

from collections.abc import Callable

from common.audit.writer import Trail
from common.domain.audit_chain import Kind
from common.store.retention import Due


def recorded(trail: Trail, what: str, timeout_s: float) -> Callable[[Due], None]:
    """Has the audit trail know what is about to go, durably, before it goes."""

    def before(due: Due) -> None:
        trail.note(Kind.RETENTION, due.scan_ids, outcome=what)
        trail.settled(timeout_s)

    return before
