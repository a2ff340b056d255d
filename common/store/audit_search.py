"""Finds events of the audit trail, the newest first, as far as a tenant may know of them.

Entries are read in the order in which they were written, by an index each for a scan, for a user
and for the time. A call reads ``ENTRIES`` of them at most, so a page may have fewer events than
were asked for, or none, and still be followed by another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.domain.audit_chain import place, whole_seq
from common.domain.scan_key import pacs_of
from common.domain.tenant import Tenant
from common.domain.types import DEFAULT_TENANT, Document
from common.store.connection import Connection
from common.store.damage import UNDECODABLE
from common.store.error_mapping import translated
from common.store.paging import aggregate

ENTRIES = 200
"""Entries that a call reads at most. An entry has 1000 events at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an event: the time, writer and ``seq`` of its entry, and its number there."""

    at: datetime
    writer: str
    seq: int
    number: int


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """Which events to find; what is None or empty does not limit them.

    Args:
        tenant: events of its users, Fr-PACS and scans only.
        scan: key of a scan.
        user: name of who caused the event.
        since, until: when the event was written.
    """

    tenant: Tenant
    scan: str | None = None
    user: str | None = None
    kinds: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event, as its writer recorded it, but for the ids of other tenants' scans."""

    place: Place
    event: Document

    @property
    def entry(self) -> str:
        """The place of its entry, as anchors write it."""
        return place(self.place.writer, self.place.seq)


class AuditSearch:
    """Finds events in the trail."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def find(
        self, wanted: WantedEvents, limit: int, after: Place | None = None
    ) -> tuple[list[FoundEvent], Place | None]:
        """The newest events after a place, and the place to go on from; None: there are no more."""
        entries = aggregate(
            self._db.audit,
            [
                {"$match": _matching(wanted, after)},
                {"$sort": {"at": -1, "_id": -1}},
                {"$limit": ENTRIES},
                {"$project": {"at": 1, "events": _numbered(wanted)}},
            ],
        )
        found: list[FoundEvent] = []
        for one in _events(entries, after):
            if (seen := seen_by(wanted.tenant, one.event)) is None:
                continue
            found.append(FoundEvent(one.place, seen))
            if len(found) == limit:
                return found, one.place
        if len(entries) < ENTRIES:
            return found, None
        last = entries[-1]
        return found, Place(last["at"], last["_id"]["writer"], whole_seq(last["_id"]["seq"]), 0)


def _matching(wanted: WantedEvents, after: Place | None) -> Document:
    found: list[Document] = [{"at": {"$type": "date"}}]
    if wanted.scan is not None:
        found.append({"events.ids": wanted.scan})
    if wanted.user is not None:
        found.append({"events.by": wanted.user})
    if wanted.since is not None:
        found.append({"at": {"$gte": wanted.since}})
    if wanted.until is not None:
        found.append({"at": {"$lte": wanted.until}})
    if after is not None:
        key = {"writer": after.writer, "seq": after.seq}
        found.append({"at": {"$lte": after.at}})
        found.append({"$or": [{"at": {"$lt": after.at}}, {"_id": {"$lte": key}}]})
    return {"$and": found}


def _numbered(wanted: WantedEvents) -> Document:
    """The wanted events of an entry, each with its number."""
    one = "$$one.event"
    conditions: list[Document] = [{"$eq": [{"$type": one}, "object"]}]
    if wanted.kinds:
        conditions.append({"$in": [f"{one}.kind", list(wanted.kinds)]})
    if wanted.user is not None:
        conditions.append({"$eq": [f"{one}.by", {"$literal": wanted.user}]})
    if wanted.scan is not None:
        ids = {"$cond": [{"$isArray": [f"{one}.ids"]}, f"{one}.ids", []]}
        conditions.append({"$in": [{"$literal": wanted.scan}, ids]})
    events = {"$cond": [{"$isArray": ["$events"]}, "$events", []]}
    numbered = {
        "$map": {
            "input": {"$range": [0, {"$size": events}]},
            "as": "n",
            "in": {"n": "$$n", "event": {"$arrayElemAt": ["$events", "$$n"]}},
        }
    }
    return {"$filter": {"input": numbered, "as": "one", "cond": {"$and": conditions}}}


def _events(entries: list[Document], after: Place | None) -> Iterator[FoundEvent]:
    for entry in entries:
        if UNDECODABLE in entry:
            continue  # ``fr audit`` names it
        writer, seq = entry["_id"]["writer"], whole_seq(entry["_id"]["seq"])
        begun = after is not None and (after.writer, after.seq) == (writer, seq)
        for one in reversed(entry["events"]):
            if after is None or not begun or one["n"] < after.number:
                yield FoundEvent(Place(entry["at"], writer, seq, one["n"]), one["event"])


def seen_by(tenant: Tenant, event: Mapping[str, Any]) -> Document | None:
    """What a tenant may know of an event; None: nothing.

    An event of a request belongs to the tenant of its user. All others belong to the tenant of the
    scans or of the Fr-PACS that they name; what names neither belongs to the default tenant.
    """
    if "tenant" in event:
        return dict(event) if event["tenant"] == tenant.name else None
    ids = event.get("ids")
    if isinstance(ids, list) and ids:
        own = [key for key in ids if isinstance(key, str) and _owns(tenant, key)]
        return {**event, "ids": own} if own else None
    peer = event.get("peer")
    named = isinstance(peer, str) and tenant.owns(peer)
    return dict(event) if named or (peer is None and tenant.name == DEFAULT_TENANT) else None


def _owns(tenant: Tenant, key: str) -> bool:
    pacs = pacs_of(key)
    return tenant.name == DEFAULT_TENANT if pacs is None else tenant.owns(pacs)
