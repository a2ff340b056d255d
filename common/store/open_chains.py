"""The chains of the audit trail that may have entries which no anchor names yet.

Each chain has a small document here from before its first entry until an anchor names its last one.
So anchoring reads as many documents as there are processes at work or just ended, however many
chains the trail has.

.. code-block:: text

    _id           the writer of the chain
    announced_at  when its writer last announced it, by MongoDB's clock
    anchored      ``seq`` of its last entry that an anchor names
    checked_at    when it was last looked at for an anchor

Nothing that the trail proves depends on this collection: heads are read from the trail, and a
verification reads all of the trail and nothing from here. Whoever deletes these documents delays
anchors, and ``make audit`` counts the entries that no anchor names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pymongo import UpdateOne

from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import UNDECODABLE
from common.store.error_mapping import translated
from common.store.paging import aggregate

ANNOUNCE_S = 60.0
"""How often a writer announces its chain, seconds."""

STALE_S = 600.0
"""Seconds after which a writer that announces nothing counts as ended. Until then its document
stays, although an anchor names its last entry: it may write another one."""

_STALE = {"$lt": ["$announced_at", {"$subtract": ["$$NOW", int(STALE_S * 1000)]}]}

# Whatever somebody wrote there must not keep the other chains from being anchored.
_ANCHORED: Document = {
    "$cond": [{"$in": [{"$type": "$anchored"}, ["int", "long"]]}, "$anchored", -1]
}


@dataclass(frozen=True, slots=True)
class OpenChain:
    """A chain to look at; ``anchored`` is -1 if no anchor names an entry of it."""

    writer: str
    anchored: int
    stale: bool


class OpenChains:
    """Announces chains, lists them, and forgets those that have ended and are anchored."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def announce(self, writer: str) -> None:
        """Note that this writer is at work, durably: before its first entry, and from time to time.
        Repeatable."""
        self._db.audit_open.update_one(
            {"_id": writer}, [{"$set": {"announced_at": "$$NOW"}}], upsert=True
        )

    @translated
    def others(self, writer: str, limit: int) -> list[OpenChain]:
        """Up to ``limit`` chains of other writers; those that were looked at longest ago come
        first, and new ones before them."""
        lines = aggregate(
            self._db.audit_open,
            [
                {"$sort": {"checked_at": 1}},
                {"$limit": limit + 1},
                {"$match": {"_id": {"$ne": writer, "$type": "string"}}},
                {"$project": {"anchored": _ANCHORED, "stale": _STALE}},
            ],
        )
        return [
            OpenChain(d["_id"], int(d["anchored"]), bool(d["stale"]))
            for d in lines
            if UNDECODABLE not in d
        ]

    @translated
    def checked(self, anchored: Iterable[tuple[str, int]]) -> None:
        """Note up to which ``seq`` an anchor names each of these chains.

        If the note is lost, the chains are only anchored once more.
        """
        changes = [
            UpdateOne(
                {"_id": writer},
                [
                    {
                        "$set": {
                            "anchored": {"$max": [_ANCHORED, {"$literal": seq}]},
                            "checked_at": "$$NOW",
                        }
                    }
                ],
            )
            for writer, seq in anchored
        ]
        if changes:
            self._db.audit_open_fast.bulk_write(changes, ordered=False)

    @translated
    def forget(self, ended: Sequence[str], stale: Sequence[str]) -> None:
        """Delete the documents of anchored chains: of those that ended, and of those whose writers
        still announce nothing."""
        wanted: list[Document] = []
        if ended:
            wanted.append({"_id": {"$in": list(ended)}})
        if stale:
            wanted.append({"_id": {"$in": list(stale)}, "$expr": _STALE})
        for condition in wanted:
            self._db.audit_open_fast.delete_many(condition)
