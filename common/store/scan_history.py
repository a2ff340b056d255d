"""What happened to one scan, from the audit trail."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from common.domain.scan_key import pacs_of, scan_id_of
from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import UNDECODABLE
from common.store.error_mapping import translated
from common.store.paging import aggregate

ENTRIES_MAX = 1000
"""The most entries of the trail that are read for one scan. A scan has few, unless it was sent
again and again."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a scan. What does not apply is None."""

    at: datetime
    kind: str
    by: str | None
    """The user, or the part of Fr, that recorded it."""
    is_user: bool
    peer: str | None
    outcome: str | None
    cause: str | None
    attempt: int | None


class ScanHistory:
    """Reads the events of scans. The caller has checked whose scan it is."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def of(self, key: str, *, renamed: bool = False) -> list[Happened]:
        """What happened to a scan, the earliest first.

        Args:
            key: of the scan.
            renamed: entries may name it by its id alone: a migration has renamed it.
        """
        names = [key, scan_id_of(key)] if renamed else [key]
        found = [happened for entry in self._entries(names) for happened in _events(entry, key)]
        return sorted(found, key=lambda one: one.at)

    @translated
    def _entries(self, names: list[str]) -> list[Document]:
        ids = {"$cond": [{"$isArray": "$$this.ids"}, "$$this.ids", []]}
        about = {"$gt": [{"$size": {"$setIntersection": [ids, names]}}, 0]}
        events = {"$cond": [{"$isArray": "$events"}, "$events", []]}
        return aggregate(
            self._db.audit,
            [
                {
                    "$match": {
                        "events.ids": {"$in": names},
                        # Requests to the API have a route: looking at a scan is no event of it.
                        "events": {"$elemMatch": {"ids": {"$in": names}, "route": None}},
                    }
                },
                {"$limit": ENTRIES_MAX},
                {"$project": {"events": {"$filter": {"input": events, "cond": about}}}},
            ],
        )


def _events(entry: Document, key: str) -> Iterator[Happened]:
    events = entry.get("events")
    if UNDECODABLE in entry or not isinstance(events, list):
        return
    for event in events:
        at, peer, ids = event.get("at"), _text(event.get("peer")), event.get("ids")
        if not isinstance(at, datetime) or not isinstance(ids, list) or "route" in event:
            continue
        if key not in ids and peer not in (None, pacs_of(key)):
            continue  # of the scan of this id that another Fr-PACS sent
        attempt = event.get("attempt")
        yield Happened(
            at=at,
            kind=str(event.get("kind")),
            is_user=_text(event.get("by")) is not None,
            by=_text(event.get("by")) or _text(event.get("owner")) or _writer(entry),
            peer=peer,
            outcome=_text(event.get("outcome")),
            cause=_text(event.get("cause")),
            attempt=attempt if isinstance(attempt, int) else None,
        )


def _writer(entry: Document) -> str | None:
    name = entry["_id"].get("writer") if isinstance(entry["_id"], dict) else None
    return _text(name)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
