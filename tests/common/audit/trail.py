"""What tests of the audit trail share."""

from typing import Any

from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind


def note(audit: AuditWriter, *events: tuple[Kind, list[str]], **more: Any) -> None:
    for kind, ids in events:
        audit.note(kind, ids, **more)
    audit.wait_durable(10)
