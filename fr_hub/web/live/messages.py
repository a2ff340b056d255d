"""What clients are sent, as server-sent events and as messages of a WebSocket."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from common.domain.scan_key import pacs_of
from common.store.feed_documents import Change, ChangeKind

Event = Mapping[str, Any]

READY, RESET = "ready", "reset"
"""Kinds of events of a stream itself. In a browser, the first one has its name as its type: pages
that only wait for changes need not know it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT = ("unit", "host", "version", "state")


@dataclass(frozen=True, slots=True)
class Message:
    """Events that are sent together, encoded once for all who get them.

    Args:
        position: where a client that has them goes on.
        server_sent: as server-sent events.
        text: as a message of a WebSocket.
    """

    position: int
    server_sent: bytes
    text: str

    @property
    def size(self) -> int:
        """Bytes that it takes for a client that has not read it."""
        return len(self.server_sent) + len(self.text)


def message(position: int, events: Sequence[Event]) -> Message:
    """These events as a message; without events, it tells the position alone."""
    encoded = [json.dumps(event, separators=(",", ":")) for event in events]
    if encoded:
        names = ["event: ready\n" if event["kind"] == READY else "" for event in events]
        parts = [f"{name}data: {one}\n\n" for name, one in zip(names, encoded, strict=True)]
        # The last one alone has the id: a client that has only some of them gets all again.
        lines = "".join([*parts[:-1], f"id: {position}\n", parts[-1]])
    else:
        lines = f": {position}\nid: {position}\n\n"
    text = f'{{"position":{position},"events":[{",".join(encoded)}]}}'
    return Message(position, lines.encode(), text)


def told(kind: str, position: int) -> Event:
    """An event of the stream alone: ``'ready'`` or ``'reset'``."""
    return {"n": position, "kind": kind}


def events_of(change: Change, n: int, at_us: int) -> Iterable[tuple[str, Event]]:
    """The events of a change, each with the thing that it is about."""
    at = time_of(at_us)
    facts = change.facts
    for key in change.keys:
        event: dict[str, Any] = {"n": n, "at": at, "kind": str(change.kind)}
        if change.kind in (ChangeKind.SCAN, ChangeKind.REPORT):
            event |= {"key": key, "pacs": pacs_of(key)}
            event |= {k: facts[k] for k in ("state", "priority", "revision") if k in facts}
        elif change.kind is ChangeKind.MEASUREMENT:
            event |= {"id": key or None, "patient_id": facts.get("patient")}
            event["state"] = facts.get("state")
        else:
            event |= {"id": key, **{k: facts.get(k) for k in _UNIT}}
        yield f"{change.kind}/{key}/{event.get('patient_id', '')}", event


def time_of(at_us: int) -> str:
    """A time in microseconds since 1970 as RFC 3339, in UTC, to the millisecond."""
    try:
        at = _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        at = _EPOCH
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
