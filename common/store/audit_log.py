"""The collection of the audit trail: entries are added and read, never changed. An administrator
may remove those that were archived (``common.store.audit_archive``).

Adding an entry needs only the rights to insert and to find, so a unit whose account has no others
on this collection cannot change what it wrote.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from common.domain.audit_chain import Head, only_anchors, place, whole_seq
from common.domain.audit_events import Kind
from common.domain.types import WHOLE_BELOW, Document
from common.errors import AuditConflict
from common.store.collections import Collection
from common.store.connection import Connection
from common.store.damage import UNDECODABLE, find
from common.store.error_mapping import translated
from common.store.open_chains import OpenChains
from common.store.paging import aggregate, foreign, pages

PAGE = 200
"""Entries read at a time; those of a busy hub take about 50 kB each."""

PRUNER = "audit-prune"
"""The start of the writers' names of the chains with checkpoints; a hyphen follows."""

_BEFORE_ALL: Document = {"writer": ""}
_AFTER_ALL: Document = {"writer\x01": ""}
"""The ids of entries are between them: MongoDB compares ids that are documents by the type of their
first value, then its name, then the value itself."""

HEADS_PER_ANCHOR = 1000
"""The most heads that one anchor names; the next one names the others."""


@dataclass(frozen=True, slots=True)
class Unanchored:
    """The heads to name in the next anchor, and what to note once it is durable."""

    heads: tuple[Head, ...] = ()
    checked: tuple[tuple[str, int], ...] = ()
    ended: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    more: bool = False
    """Whether further chains are waiting."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a stored scan was received."""

    at: datetime
    """Its event is later than this, by the clock of the hub that recorded it."""
    recorded_in: str | None
    """The chain of the hub that stored it; None if an earlier release stored it, or a hub whose
    chain had not begun."""
    sealed: bool
    """False while its upload is not completed: until then nobody acknowledges it."""


class AuditLog:
    """The append-only collection of the audit trail."""

    def __init__(self, connection: Connection, open_chains: OpenChains) -> None:
        self._db = connection
        self._open_chains = open_chains

    @translated
    def add(self, entry: Document) -> None:
        """Add the next entry of a chain, durably. Repeatable.

        Raises:
            AuditConflict: a different entry has its place.
        """
        try:
            self._db.audit.insert_one(dict(entry))
        except DuplicateKeyError as error:
            found = find(self._db.audit, {"_id": entry["_id"]}, {"hash": 1})
            if not found or found[0].get("hash") != entry["hash"]:
                at = place(entry["_id"]["writer"], entry["_id"]["seq"])
                raise AuditConflict(
                    f"another writer's entry is at {at} of the audit trail"
                ) from error
            # An earlier try succeeded. A majority read returns only what cannot be rolled back,
            # but on a single server it may not be journaled yet; this write is journaled after it.
            self._db.database[Collection.NOTIFICATIONS].insert_one({"what": "audit"})

    @translated
    def ends(self, after: str, through: str | None = None) -> dict[str, int]:
        """The ``seq`` of the last entry of each chain, by writer, of the writers after ``after`` up
        to ``through``. Reads one index key of each chain."""
        span: Document = {"$gt": after} if through is None else {"$gt": after, "$lte": through}
        return self._ends(span)

    def _ends(self, writers: Mapping[str, object]) -> dict[str, int]:
        lines = aggregate(
            self._db.audit,
            [
                # The types too: foreign documents in the collection must not hide a chain.
                {"$match": {"_id.writer": writers, "_id.seq": {"$gte": 0, "$lt": WHOLE_BELOW}}},
                {"$sort": {"_id.writer": 1, "_id.seq": -1}},
                {"$group": {"_id": "$_id.writer", "seq": {"$first": "$_id.seq"}}},
            ],
        )
        return {line["_id"]: whole_seq(line["seq"]) for line in lines if UNDECODABLE not in line}

    def _at(self, places: Sequence[Document]) -> list[Head]:
        found = find(self._db.audit, {"_id": {"$in": list(places)}}, {"hash": 1})
        return [Head(d["_id"]["writer"], whole_seq(d["_id"]["seq"]), _hash(d)) for d in found]

    @translated
    def size(self) -> int:
        """Number of documents in the collection, whether entries or not."""
        return self._db.audit.count_documents({})

    @translated
    def hashes(self, heads: Sequence[Head]) -> dict[str, str]:
        """Hashes of the entries that are stored at these places, by place."""
        places = [{"writer": head.writer, "seq": head.seq} for head in heads]
        return {head.at: head.hash for head in self._at(places)}

    @translated
    def not_anchored(self, writer: str) -> Unanchored:
        """The last entry of every other writer's open chain that no anchor names yet.

        Of a chain that ends in anchors, the entry before them. Looks at ``HEADS_PER_ANCHOR`` open
        chains at most.
        """
        chains = self._open_chains.others(writer, HEADS_PER_ANCHOR)
        ends = self._ends({"$in": [chain.writer for chain in chains]}) if chains else {}
        places = [{"writer": chain, "seq": seq} for chain, seq in ends.items()]
        fields = {"hash": 1, "events.kind": 1, "events.last": 1}
        last = {
            d["_id"]["writer"]: d for d in find(self._db.audit, {"_id": {"$in": places}}, fields)
        }
        wanted = {
            chain.writer: seq
            for chain in chains
            if (seq := _to_anchor(last.get(chain.writer))) > chain.anchored
        }
        heads = self._at([{"writer": name, "seq": seq} for name, seq in wanted.items()])
        ended = {name for name, entry in last.items() if _is_closed(entry)}
        return Unanchored(
            heads=tuple(head for head in heads if head.is_valid),
            checked=tuple((c.writer, wanted.get(c.writer, c.anchored)) for c in chains),
            ended=tuple(sorted(ended)),
            stale=tuple(c.writer for c in chains if c.stale and c.writer not in ended),
            more=len(chains) >= HEADS_PER_ANCHOR,
        )

    @translated
    def anchored(self, named: Unanchored) -> None:
        """Note that a durable entry names these heads."""
        gone = {*named.ended, *named.stale}
        self._open_chains.checked(one for one in named.checked if one[0] not in gone)
        self._open_chains.forget(named.ended, named.stale)

    def announce(self, writer: str) -> None:
        """Note that this writer is at work, durably; see ``OpenChains.announce``."""
        self._open_chains.announce(writer)

    def entries(self, writer: str, after: int, through: int) -> Iterator[Document]:
        """The entries of a chain in order, from the one after ``seq`` ``after``."""
        begin, end = ({"writer": writer, "seq": seq} for seq in (after, through))
        return self._read({"$gt": begin, "$lte": end})

    def all_entries(self) -> Iterator[Document]:
        """All entries, chain by chain, each in order; of those that cannot be decoded, what can."""
        return self._read({"$gt": _BEFORE_ALL, "$lt": _AFTER_ALL})

    def strays(self) -> list[str]:
        """The names of the documents whose ids are not those of entries."""
        return foreign(self._db.audit, _BEFORE_ALL, _AFTER_ALL)

    def checkpoint_entries(self) -> Iterator[Document]:
        """The entries of the chains that may hold checkpoints, chain by chain, each in order."""
        return self._read({"$gt": {"writer": f"{PRUNER}-"}, "$lt": {"writer": f"{PRUNER}."}})

    def _read(self, ids: Document) -> Iterator[Document]:
        for page in pages(self._db.audit, {"_id": ids}, size=PAGE):
            yield from page

    @translated
    def receipts(self, keys: Sequence[str]) -> dict[str, Receipt]:
        """How each of these scans was received; without those of which nothing is known."""
        fields = {"received_at": 1, "recorded_in": 1, "recorded_after": 1, "unsealed": 1}
        wanted = {"_id": {"$in": list(keys)}, "received_at": {"$type": "date"}}
        return {
            d["_id"]: Receipt(_recorded_after(d), _text(d.get("recorded_in")), "unsealed" not in d)
            for d in find(self._db.scans, wanted, fields)
            if isinstance(d["received_at"], datetime)
        }


def _recorded_after(scan: Document) -> datetime:
    after = scan.get("recorded_after")
    found: datetime = after if isinstance(after, datetime) else scan["received_at"]
    return found


def _to_anchor(entry: Document | None) -> int:
    """The ``seq`` that an anchor of this chain must name, from the chain's last entry; -1: none."""
    if entry is None:
        return -1
    last = only_anchors(entry)
    return whole_seq(entry["_id"]["seq"]) if last is None else last


def _hash(entry: Document) -> str:
    """The hash of a stored entry; one that cannot be decoded is none that an anchor may name."""
    return "" if UNDECODABLE in entry else str(entry.get("hash"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_closed(entry: Document) -> bool:
    events = entry.get("events")
    return isinstance(events, list) and any(
        isinstance(one, dict) and one.get("kind") == Kind.CLOSED for one in events
    )
