"""A recorder for tests of the store: it keeps the events, and can act between two writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.domain.audit_events import Kind


@dataclass
class Recording:
    """Keeps what the store notes.

    ``when_durable`` is called the first time that the store waits for its events: between the
    write that comes before a promise and the promise.
    """

    when_durable: Callable[[], None] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    chain: str | None = None

    def note(self, kind: Kind, ids: Sequence[str] = (), **facts: Any) -> None:
        """Keep an event."""
        self.events.append({"kind": kind, "ids": list(ids), **facts})

    def flush(self) -> None:
        """There is nothing to write."""

    def wait_durable(self) -> None:
        """Act, once."""
        act, self.when_durable = self.when_durable, None
        if act is not None:
            act()

    def ids(self, kind: Kind) -> list[str]:
        """The scans of the events of this kind, in their order."""
        return [scan_id for one in self.events if one["kind"] == kind for scan_id in one["ids"]]

    def causes(self) -> dict[str, str]:
        """The cause of each scan that failed."""
        failed = [one for one in self.events if one["kind"] == Kind.ERROR]
        return {scan_id: one["cause"] for one in failed for scan_id in one["ids"]}
