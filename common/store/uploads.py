"""Stores the chunks of large scans, and removes those of interrupted uploads."""

import contextlib
from collections.abc import Sequence

from bson import ObjectId
from pymongo.errors import BulkWriteError

from common.domain.audit_events import Kind
from common.domain.types import Document, utc_now
from common.errors import UploadLost
from common.store.connection import Connection, duplicates
from common.store.documents import all_of
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.recording import Recorder

SWEEP_GRACE_S = 3600.0
"""Seconds after its last write before an upload can be swept: it may still be in progress."""

TOUCH_EVERY_S = SWEEP_GRACE_S / 30
"""Seconds between two records that an upload is still being written (``Uploads.touch``)."""


_PAGE = 500


class Uploads:
    """The chunks of large scans, durable before the scan itself."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    @translated
    def begin(self, blob: ObjectId | None = None) -> ObjectId:
        """Begin an upload; returns its blob, a new one if none is given. Repeatable.

        The upload is stored before its first chunk, so that a sweep finds what an interrupted
        upload leaves behind.
        """
        blob = blob or ObjectId()
        # The server's clock, which the sweep uses: a host's may be hours behind.
        self._db.uploads.update_one({"_id": blob}, [{"$set": {"started_at": "$$NOW"}}], upsert=True)
        return blob

    @translated
    def touch(self, blob: ObjectId) -> None:
        """Record that an upload is still being written, so that no sweep takes it.

        Raises:
            UploadLost: a sweep took it. The scan must be sent again.
        """
        # w:1 suffices: a touch that is rolled back is followed by others, long before the grace.
        touched = self._db.uploads_fast.update_one(
            {"_id": blob, "swept": None}, [{"$set": {"written_at": "$$NOW"}}]
        )
        if not touched.matched_count:
            raise UploadLost("the upload took too long and was removed: send the scan again")

    @translated
    def add_chunks(self, blob: ObjectId, first: int, pieces: Sequence[bytes | memoryview]) -> None:
        """Store consecutive chunks of a blob, durably. Repeatable."""
        if not pieces:
            return
        documents = [
            {"_id": {"blob": blob, "n": n}, "voxels": bytes(piece)}
            for n, piece in enumerate(pieces, first)
        ]
        try:
            self._db.chunks.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            # An earlier try succeeded in part; the same reasoning as in ``Scans.add``.
            self._db.upsert(self._db.chunks, [documents[index] for index in duplicates(error)])

    @translated
    def end(self, key: str, blob: ObjectId, peer: str | None = None, by: str | None = None) -> None:
        """Seal the upload of a stored scan, and note in the audit trail that the scan was
        received; the caller waits for that before it acknowledges. Repeatable.

        ``by`` is the user of the API who uploaded it.

        Raises:
            UploadLost: a sweep took the chunks. The scan is removed and must be sent again.
        """
        self.seal(key, blob)
        facts = {} if by is None else {"by": by}
        self._recorder.note(Kind.RECEIVE, [key], peer=peer, outcome="stored", **facts)

    @translated
    def seal(self, key: str, blob: ObjectId) -> None:
        """Seal the upload of the stored scan that refers to this blob, before anyone acknowledges
        the scan. Repeatable.

        A sweep marks an upload before it looks for references and deletes. So either the record is
        sealed here first and no sweep ever touches the blob, or a sweep marked it first. The
        scan's ``unsealed`` field holds the result: only a scan that still has it is removed. So
        concurrent calls for the same scan agree.

        Raises:
            UploadLost: a sweep took the chunks. The scan is removed and must be sent again.
        """
        record = self._db.uploads_fast.update_one(
            {"_id": blob, "swept": None}, {"$set": {"sealed": True}}
        )
        # w:1 suffices: the scan is already durable, so a later sweep finds it. The next write is
        # the one that must be durable before the acknowledgement.
        this = {"_id": key, "blob": blob}
        if record.matched_count:
            kept = self._db.scans.update_one(this, {"$unset": {"unsealed": True}}).matched_count > 0
        else:
            removed = self._db.scans.delete_one({**this, "unsealed": True}).deleted_count > 0
            # Or it was sealed so long ago that a sweep has removed the record.
            kept = not removed and self._db.scans.find_one({**this, "unsealed": None}) is not None
        if kept:
            return
        self._db.feed.tell(scans_to_look_up([key]))
        self._delete_blob(blob)  # which the sweep left in place if it saw the scan
        raise UploadLost("the upload took too long and was removed: send the scan again")

    @translated
    def abandon(self, blob: ObjectId) -> None:
        """Delete a blob that no scan refers to, and its record. Repeatable."""
        self._delete_blob(blob)
        self._db.uploads.delete_one({"_id": blob})

    @translated
    def sweep(self, grace_s: float = SWEEP_GRACE_S) -> int:
        """Delete the blobs of uploads that were last written more than ``grace_s`` seconds ago and
        were interrupted; returns their number."""
        swept = 0
        written_at = {"$ifNull": ["$written_at", "$started_at"]}
        before = {"$subtract": ["$$NOW", int(grace_s * 1000)]}
        old: Document = {"$expr": {"$lt": [written_at, before]}}
        self._db.uploads.delete_many({"sealed": True, **old})
        interrupted = {"sealed": None, **old}
        # In pages: a search reads all uploads of the last hour, as there is no index.
        while page := list(self._db.uploads.find(interrupted, limit=_PAGE)):
            swept += sum(self._sweep_one(record, old) for record in page)
        return swept

    def _sweep_one(self, record: Document, old: Document) -> bool:
        """Complete the upload of a stored scan, or delete the blob; whether it was deleted."""
        blob = record["_id"]
        stored = self._db.scans.find_one({"blob": blob}, {"_id": 1})
        if stored is not None and "swept" not in record:
            # Its hub was killed between storing and sealing, or its sender had gone. All chunks
            # are stored. From now on it is this hub's, and this hub's chain has it.
            if (chain := self._recorder.chain) is not None:
                this = {"_id": stored["_id"], "blob": blob}
                recorded = {"recorded_in": chain, "recorded_after": utc_now()}
                self._db.scans.update_one(this, {"$set": recorded})
            with contextlib.suppress(UploadLost):
                self.end(stored["_id"], blob)
            return False
        mine = self._db.uploads.update_one(
            {"_id": blob, "sealed": None, **old}, {"$set": {"swept": True}}
        )
        if not mine.matched_count:
            return False
        # Check again: a scan may have been stored since. Later ones see the mark.
        unreferenced = self._db.scans.find_one({"blob": blob}, {"_id": 1}) is None
        if unreferenced:
            self._delete_blob(blob)
        # Last, so that the next sweep finds the record of an interrupted one.
        self._db.uploads.delete_one({"_id": blob, "swept": True})
        return unreferenced

    def _delete_blob(self, blob: ObjectId) -> None:
        self._db.chunks.delete_many({"_id": all_of(blob)})
