"""Chunks that nobody refers to: finds them, and leaves their removal to the sweep of uploads.

They stay behind where a sweep took a slow upload and its Fr-HUB was killed before it learned that.
No record of an upload leads to them, so they are looked for among all chunks.
"""

from collections.abc import Iterator

from bson import ObjectId

from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import find
from common.store.documents import all_of
from common.store.error_mapping import translated
from common.store.uploads import SWEEP_GRACE_S

_BLOBS = 500
"""Blobs that are looked up together."""

_BEFORE_ALL: Document = {"blob": ObjectId("00" * 12)}
_AFTER_ALL: Document = {"blob": ObjectId("ff" * 12)}
"""Ids of chunks whose blobs are of another type, which only damage makes, lie outside."""

MARKED_AT_ONCE = 5000
"""Blobs that one ``mark`` looks at; each costs a read of one key, about 0.3 ms."""


class OrphanChunks:
    """Finds the blobs of chunks that no scan and no upload refers to."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._reached: ObjectId | None = None
        """The blob at which the last ``mark`` ended."""

    def all(self) -> Iterator[ObjectId]:
        """All of them, in the order of their creation."""
        after: ObjectId | None = None
        while blobs := self._blobs(after, _BLOBS):
            yield from self._unreferenced(blobs)
            after = blobs[-1]

    @translated
    def mark(self, grace_s: float = SWEEP_GRACE_S, limit: int = MARKED_AT_ONCE) -> int:
        """Record those that were created more than ``grace_s`` seconds ago as uploads that a sweep
        took; returns their number. ``Uploads.sweep`` looks for references once more, and deletes
        them.

        Looks at ``limit`` blobs at most and continues there at the next call. The mark comes
        first, as in ``Uploads.seal``: a scan that is stored later cannot be sealed, so it is not
        acknowledged.
        """
        before = self._db.clock.now().timestamp() - grace_s
        blobs = self._blobs(self._reached, limit)
        # They are in the order of their creation, so the rest is too young as well.
        old = [blob for blob in blobs if blob.generation_time.timestamp() < before]
        marked = 0
        for start in range(0, len(old), _BLOBS):
            orphans = self._unreferenced(old[start : start + _BLOBS])
            self._db.upsert(self._db.uploads, [_swept(blob) for blob in orphans])
            marked += len(orphans)
        self._reached = old[-1] if len(old) == limit else None
        return marked

    @translated
    def _blobs(self, after: ObjectId | None, limit: int) -> list[ObjectId]:
        """The next blobs, by a search of the index for each: their other chunks are skipped."""
        blobs: list[ObjectId] = []
        while len(blobs) < limit:
            start = _BEFORE_ALL if after is None else {"blob": _next(after)}
            wanted: Document = {"_id": {"$gte": start, "$lt": _AFTER_ALL}}
            by_id = [("_id", 1)]
            found = find(self._db.chunks, wanted, {"_id": 1}, sort=by_id, limit=1, hint=by_id)
            if not found:
                break
            after = found[0]["_id"]["blob"]
            blobs.append(after)
        return blobs

    @translated
    def _unreferenced(self, blobs: list[ObjectId]) -> list[ObjectId]:
        # Uploads first: their scans are stored before their records end.
        these = {"$in": blobs}
        known = {d["_id"] for d in self._db.uploads.find({"_id": these}, {"_id": 1})}
        covered = {"blob": 1, "_id": 0}
        known |= {d["blob"] for d in self._db.scans.find({"blob": these}, covered)}
        left = [blob for blob in blobs if blob not in known]
        # Retention may have removed some meanwhile.
        return [
            blob for blob in left if self._db.chunks.find_one({"_id": all_of(blob)}, {"_id": 1})
        ]


def _next(blob: ObjectId) -> ObjectId:
    """The id after this one: whatever else the ids of a blob's chunks contain, it is before."""
    return ObjectId((int(str(blob), 16) + 1).to_bytes(12, "big"))


def _swept(blob: ObjectId) -> Document:
    return {"_id": blob, "started_at": blob.generation_time, "swept": True}
