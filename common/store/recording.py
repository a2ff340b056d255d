"""What the store needs of the audit trail: a promise is recorded before it is made.

The order matters inside a transition (the report is durable, then recorded, then the scan is
``'Done'``), so the transitions record themselves. ``common.audit.writer.AuditWriter`` is the
recorder of a unit; the store knows no more of it than this.
"""

from collections.abc import Sequence
from typing import Protocol

from common.domain.audit_events import Kind


class Recorder(Protocol):
    """Writes events to the audit trail."""

    def note(
        self,
        kind: Kind,
        ids: Sequence[str] = (),
        *,
        peer: str | None = None,
        outcome: str | None = None,
        cause: str | None = None,
        **facts: str | int | None,
    ) -> None:
        """Queue an event; returns at once. An equal event that is still queued is not doubled, so
        an operation that is retried while MongoDB is away records itself once."""

    def flush(self) -> object:
        """Start writing everything noted so far; returns at once."""

    def wait_durable(self) -> None:
        """Wait until everything noted so far is durable.

        Raises:
            StoreUnavailable: the audit trail cannot be written in time.
        """


class _Unrecorded:
    """Records nothing: for readers, and for tests of the store alone."""

    def note(self, *_: object, **__: object) -> None:
        pass

    def flush(self) -> None:
        pass

    def wait_durable(self) -> None:
        pass


UNRECORDED: Recorder = _Unrecorded()
