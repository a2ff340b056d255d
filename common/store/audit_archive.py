"""What the archive of the audit trail reads from the store, and removes from it.

Only an administrator may remove entries (``common.store.roles``), and only those that a checkpoint
in the trail names: see ``common.audit.pruning``.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pymongo import DeleteOne

from common.domain.audit_chain import Head, place
from common.domain.audit_events import Kind
from common.domain.states import ERASED, PURGED
from common.domain.types import Document
from common.store.audit_log import AuditLog
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.paging import aggregate, pages
from common.store.stored_types import is_readable

_PAGE = 500


class AuditArchive:
    """Finds what may be archived, and removes what was."""

    def __init__(self, connection: Connection, audit_log: AuditLog) -> None:
        self._db = connection
        self._audit_log = audit_log

    @translated
    def before(self, days: float) -> datetime:
        """The time that was ``days`` days ago, by MongoDB's clock."""
        now: datetime = self._db.database.command("hello")["localTime"]
        return now.replace(tzinfo=UTC) - timedelta(days=days)

    def closed(self, before: datetime) -> Iterator[Head]:
        """The last entry of each chain that was closed before then and is anchored whole, in order
        of the writers. Chains that hold a checkpoint stay in the trail."""
        ends = sorted(self._audit_log.ends("").items())
        for start in range(0, len(ends), _PAGE):
            heads = self._closed(ends[start : start + _PAGE], before)
            anchored = self.anchored(heads)
            yield from (head for head in heads if head in anchored)

    @translated
    def _closed(self, ends: Sequence[tuple[str, int]], before: datetime) -> list[Head]:
        wanted = {
            "_id": {"$in": [{"writer": writer, "seq": seq} for writer, seq in ends]},
            "at": {"$lt": before},
            "events.kind": {"$eq": Kind.CLOSED, "$ne": Kind.CHECKPOINT},
        }
        found = find(self._db.audit, wanted, {"hash": 1}, sort=[("_id", 1)])
        return [Head(d["_id"]["writer"], d["_id"]["seq"], str(d.get("hash"))) for d in found]

    @translated
    def anchored(self, heads: Sequence[Head]) -> set[Head]:
        """Those of these heads that an entry of another chain names."""
        named: set[Head] = set()
        for start in range(0, len(heads), _PAGE):
            page = {(head.at, head.hash): head for head in heads[start : start + _PAGE]}
            wanted = {"heads.at": {"$in": [at for at, _ in page]}}
            for line in aggregate(
                self._db.audit,
                [
                    {"$match": {**wanted, "_id.writer": {"$type": "string"}}},
                    {"$unwind": "$heads"},
                    {"$match": {**wanted, "heads.hash": {"$type": "string"}}},
                    {"$project": {"heads": 1}},
                ],
            ):
                head = page.get((line["heads"]["at"], line["heads"]["hash"]))
                if head is not None and head.writer != line["_id"]["writer"]:
                    named.add(head)
        return named

    def tombstones(self, before: datetime) -> Iterator[Document]:
        """The tombstones of scans that were purged or erased before then: key, state and time.
        Without the hash of the voxels: by that, an image could be recognized."""
        wanted = {
            "_id": {"$gte": ""},
            "report_generated": {"$in": [PURGED, ERASED]},
            "$or": [{"purged_at": {"$lt": before}}, {"erased_at": {"$lt": before}}],
        }
        fields = {"report_generated": 1, "purged_at": 1, "erased_at": 1}
        for page in pages(self._db.scans, wanted, fields, size=_PAGE):
            for one in page:
                at = one.get("purged_at") or one["erased_at"]
                if is_readable(one["_id"]):
                    yield {"_id": one["_id"], "report_generated": one["report_generated"], "at": at}

    @translated
    def remove(self, entries: Sequence[Document]) -> int:
        """Remove exactly these entries, durably and in this order; returns how many were there."""
        requests = [DeleteOne({"_id": one["_id"], "hash": one["hash"]}) for one in entries]
        return self._db.audit.bulk_write(requests).deleted_count if requests else 0

    @translated
    def missing(self, entries: Sequence[Document]) -> list[str]:
        """The places of those of these entries that are not stored as they are here."""
        wanted = {"_id": {"$in": [one["_id"] for one in entries]}}
        stored = {place(**one["_id"]): one for one in find(self._db.audit, wanted)}
        places = [(place(**one["_id"]), one) for one in entries]
        return [at for at, one in places if stored.get(at) != one]
