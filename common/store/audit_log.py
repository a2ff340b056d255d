"""The collection of the audit trail: entries are added and read, never changed or removed.

Adding an entry needs only the rights to insert and to find, so a unit whose account has no others
on this collection cannot change what it wrote.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from common.domain.audit_chain import Head, only_anchors, place
from common.domain.types import Document
from common.errors import AuditConflict
from common.store.collections import Collection
from common.store.connection import Connection
from common.store.error_mapping import translated

PAGE = 200
"""Entries read at a time; those of a busy hub take about 50 kB each."""

HEADS_PER_ANCHOR = 1000
"""The most heads that one anchor names; the next one names the others."""


class AuditLog:
    """The append-only collection of the audit trail."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def add(self, entry: Document) -> None:
        """Add the next entry of a chain, durably. Repeatable.

        Raises:
            AuditConflict: a different entry has its place.
        """
        try:
            self._db.audit.insert_one(dict(entry))
        except DuplicateKeyError as error:
            found = self._db.audit.find_one({"_id": entry["_id"]}, {"hash": 1})
            if found is None or found.get("hash") != entry["hash"]:
                at = place(entry["_id"]["writer"], entry["_id"]["seq"])
                raise AuditConflict(
                    f"another writer's entry is at {at} of the audit trail"
                ) from error
            # An earlier try succeeded. A majority read returns only what cannot be rolled back,
            # but on a single server it may not be journaled yet; this write is journaled after it.
            self._db.database[Collection.NOTIFICATIONS].insert_one({"what": "audit"})

    @translated
    def heads(self) -> list[Head]:
        """The last entry of each chain."""
        lines = self._db.audit.aggregate(
            [
                # The types too: foreign documents in the collection must not hide a chain.
                {"$match": {"_id.writer": {"$gte": ""}, "_id.seq": {"$gte": 0}}},
                {"$sort": {"_id.writer": 1, "_id.seq": -1}},
                {"$group": {"_id": "$_id.writer", "seq": {"$first": "$_id.seq"}}},
            ]
        )
        places = [{"writer": line["_id"], "seq": math.ceil(line["seq"])} for line in lines]
        heads: list[Head] = []
        for start in range(0, len(places), 1000):
            heads += self._at(places[start : start + 1000])
        return sorted(heads, key=lambda head: head.writer)

    def _at(self, places: Sequence[Document]) -> list[Head]:
        found = self._db.audit.find({"_id": {"$in": list(places)}}, {"hash": 1})
        return [Head(d["_id"]["writer"], int(d["_id"]["seq"]), str(d.get("hash"))) for d in found]

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
    def not_anchored(self, writer: str) -> list[Head]:
        """The last entry of every other writer's chain that no anchor names yet.

        Of a chain that ends in anchors, the entry before them. At most ``HEADS_PER_ANCHOR``.
        """
        heads = {head.at: head for head in self.heads() if head.writer != writer}
        places = [{"writer": head.writer, "seq": head.seq} for head in heads.values()]
        behind = []
        for entry in self._db.audit.find(
            {"_id": {"$in": places}}, {"events.kind": 1, "events.last": 1}
        ):
            if (last := only_anchors(entry)) is not None:
                chain = entry["_id"]["writer"]
                del heads[place(chain, entry["_id"]["seq"])]
                behind.append({"writer": chain, "seq": last})
        heads.update({head.at: head for head in self._at(behind)})
        named = {
            line["at"]
            for entry in self._db.audit.find({"heads.at": {"$in": list(heads)}}, {"heads.at": 1})
            for line in entry["heads"]
        }
        left = [head for at, head in heads.items() if at not in named and head.is_valid]
        return left[:HEADS_PER_ANCHOR]

    def entries(self, head: Head, after: int) -> Iterator[Document]:
        """The entries of a chain in order, from the one after ``seq`` ``after`` up to its head."""
        while page := self._page(head, after):
            yield from page
            after = page[-1]["_id"]["seq"]

    @translated
    def _page(self, head: Head, after: int) -> list[Document]:
        span = {"$gt": {"writer": head.writer, "seq": after}}
        span["$lte"] = {"writer": head.writer, "seq": head.seq}
        return list(self._db.audit.find({"_id": span}, sort=[("_id", 1)], limit=PAGE))

    @translated
    def received_at(self, keys: Sequence[str]) -> dict[str, datetime]:
        """When each of these scans was received; without those that are not stored."""
        found = self._db.scans.find({"_id": {"$in": list(keys)}}, {"received_at": 1})
        return {document["_id"]: document["received_at"] for document in found}
