"""The store's interface to the audit trail: every promise is recorded before it is made.

The order matters inside a transition (the report is durable, then recorded, then the scan is
``'Done'``), so each transition records itself. A unit's recorder is
``common.audit.writer.AuditWriter``; the store knows only this interface.
"""

from collections.abc import Sequence
from typing import Protocol

from common.domain.audit_events import Kind


class Recorder(Protocol):
    """Writes events to the audit trail."""

    @property
    def chain(self) -> str | None:
        """The chain that events go to; None until its first entry is durable."""

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
        """Queue an event; returns immediately. An event equal to one that is still queued is not
        added, so an operation retried while MongoDB is unreachable is recorded once."""

    def flush(self) -> object:
        """Start writing everything noted so far; returns immediately."""

    def wait_durable(self) -> None:
        """Wait until everything noted so far is durable.

        Raises:
            StoreUnavailable: the audit trail cannot be written in time.
        """


class _Unrecorded:
    """Records nothing: for readers, and for tests of the store itself."""

    chain = None

    def note(self, *_: object, **__: object) -> None:
        pass

    def flush(self) -> None:
        pass

    def wait_durable(self) -> None:
        pass


UNRECORDED: Recorder = _Unrecorded()
