"""What of the audit trail has been sent to a repository elsewhere, and who sends it.

The trail itself is what waits to be sent: nothing is stored twice, and an outage of the repository
costs nothing but time. Of each chain, the ``seq`` of the last entry is kept that the repository has
read; of a chain that was pruned, nothing.

.. code-block:: text

    _id     the writer of the chain
    seq     of the last entry that was sent

    _id     '_lease': which process sends
    holder  its name
    until   when another one may take over, by MongoDB's clock
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pymongo import UpdateOne

from common.domain.types import Document
from common.store.audit_log import AuditLog
from common.store.conditional_write import set_if
from common.store.connection import Connection
from common.store.damage import UNDECODABLE, find
from common.store.error_mapping import translated

_LEASE = "_lease"
_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Unsent:
    """The entries of a chain that were not sent yet: those after ``after``, up to ``through``."""

    writer: str
    after: int
    through: int


class AuditExports:
    """Finds what was not sent, and notes what was."""

    def __init__(self, connection: Connection, audit_log: AuditLog) -> None:
        self._db = connection
        self._audit_log = audit_log

    @translated
    def lease(self, holder: str, lease_s: float) -> bool:
        """Take or renew the lease: whether this process sends for the next seconds. Two may send
        at once where a call takes longer than the lease: the repository then gets entries twice."""
        until = {"$add": ["$$NOW", int(lease_s * 1000)]}
        me = {"$literal": holder}
        free = {"$or": [{"$eq": ["$holder", me]}, {"$lte": ["$until", "$$NOW"]}]}
        lease = {"holder": me, "until": until}
        found = set_if(self._db.audit_exports, _LEASE, free, lease)
        return bool(found is not None and found.get("holder") == holder)

    @translated
    def release(self, holder: str) -> None:
        """Let another process send at once."""
        self._db.audit_exports.delete_one({"_id": _LEASE, "holder": holder})

    def unsent(self) -> Iterator[Unsent]:
        """The chains with entries that were not sent, in order of their names. Reads an index key
        of each chain; memory does not depend on how many were sent."""
        for after, through, known in self._pages():
            ends = self._audit_log.ends(after, through)
            for writer, seq in sorted(ends.items()):
                if seq > (sent := known.get(writer, -1)):
                    yield Unsent(writer, sent, seq)
            self._forget(sorted(known.keys() - ends.keys()))

    def entries(self, unsent: Unsent) -> Iterator[Document]:
        """These entries, in order."""
        return self._audit_log.entries(unsent.writer, unsent.after, unsent.through)

    @translated
    def note(self, sent: Mapping[str, int]) -> None:
        """Note, durably, up to which ``seq`` each of these chains was sent."""
        changes = [
            UpdateOne({"_id": writer}, {"$max": {"seq": seq}}, upsert=True)
            for writer, seq in sent.items()
        ]
        if changes:
            self._db.audit_exports.bulk_write(changes, ordered=False)

    def _pages(self) -> Iterator[tuple[str, str | None, dict[str, int]]]:
        """Ranges of names that hold all chains, each with what was sent of the chains in it."""
        after = ""
        while True:
            known = self._known(after)
            through = max(known) if len(known) == _PAGE else None
            yield after, through, known
            if through is None:
                return
            after = through

    @translated
    def _known(self, after: str) -> dict[str, int]:
        wanted = {"_id": {"$gt": after, "$type": "string"}, "seq": {"$type": "number"}}
        found = find(self._db.audit_exports, wanted, sort=[("_id", 1)], limit=_PAGE)
        return {d["_id"]: int(d["seq"]) for d in found if UNDECODABLE not in d}

    @translated
    def _forget(self, writers: list[str]) -> None:
        if writers:
            self._db.audit_exports.delete_many({"_id": {"$in": writers}})
