"""``DBManager`` for Fr-HUB's server: the chunks of large scans come in."""

import contextlib
from collections.abc import Sequence

from bson import ObjectId
from pymongo.errors import BulkWriteError, OperationFailure

from common.domain.audit_events import Kind
from common.errors import UploadLost
from common.store.collections import Collection
from common.store.connection import Connection, duplicates
from common.store.documents import all_of
from common.store.error_mapping import translated
from common.store.recording import Recorder

SWEEP_GRACE_S = 3600.0
"""An upload younger than this is never swept: it may still be going on."""


class Uploads:
    """The chunks of large scans, durable before the scan is."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def prepare(self) -> None:
        """Make the collection where it is missing: compressed by the sender, so not again."""
        # Where that cannot be, or is done, the first chunk makes it as MongoDB does by default.
        with contextlib.suppress(OperationFailure):
            self._db.database.create_collection(
                Collection.CHUNKS,
                check_exists=False,
                storageEngine={"wiredTiger": {"configString": "block_compressor=none"}},
            )

    @translated
    def begin(self, blob: ObjectId | None = None) -> ObjectId:
        """A blob, fresh where none is given, for the chunks of one attempt to send a large scan.
        Repeatable.

        Recorded before the first of them, so that a sweep finds what a cut upload leaves behind.
        """
        blob = blob or ObjectId()
        # The server's clock, by which a sweep judges: a host's may be hours behind it.
        self._db.uploads.update_one({"_id": blob}, [{"$set": {"started_at": "$$NOW"}}], upsert=True)
        return blob

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
            # An earlier try got through in part; the same reasoning as in add_scans.
            self._db.upsert(self._db.chunks, [documents[index] for index in duplicates(error)])

    @translated
    def end(self, scan_id: str, blob: ObjectId, peer: str | None = None) -> None:
        """Seal the upload of a stored scan and note in the audit trail that the scan was received,
        for the caller to wait for before it acknowledges. Repeatable.

        Raises:
            UploadLost: a sweep deleted the chunks: the scan is taken back and must be sent again.
        """
        self.seal(scan_id, blob)
        self._recorder.note(Kind.RECEIVE, [scan_id], peer=peer, outcome="stored")

    @translated
    def seal(self, scan_id: str, blob: ObjectId) -> None:
        """The scan that refers to this blob is stored: seal it, before acknowledging it to
        anybody. Repeatable.

        A sweep marks an upload before it looks for references and deletes. So either the record
        is sealed here, and no sweep ever touches the blob, or a sweep had it. The scan itself says
        which: it is ``unsealed`` until it is sure of its voxels, and only as such is it taken back.
        So of several that end it at once all find the same.

        Raises:
            UploadLost: a sweep had it: the scan is taken back and must be sent again.
        """
        record = self._db.uploads_fast.update_one(
            {"_id": blob, "swept": None}, {"$set": {"sealed": True}}
        )
        # Not durable by itself, which it need not be: the scan is, so a sweep that comes later
        # finds it; what must be durable before anybody is told is the next write.
        this = {"_id": scan_id, "blob": blob}
        if record.matched_count:
            kept = self._db.scans.update_one(this, {"$unset": {"unsealed": True}}).matched_count > 0
        else:
            taken = self._db.scans.delete_one({**this, "unsealed": True}).deleted_count > 0
            # Or it was sealed so long ago that a sweep removed the record.
            kept = not taken and self._db.scans.find_one({**this, "unsealed": None}) is not None
        if kept:
            return
        self._delete_blob(blob)  # which the sweep left if it saw the scan
        raise UploadLost("the upload took too long and was swept away: send the scan again")

    @translated
    def abandon(self, blob: ObjectId) -> None:
        """Delete a blob that no scan refers to, and its record. Repeatable."""
        self._delete_blob(blob)
        self._db.uploads.delete_one({"_id": blob})

    @translated
    def sweep(self, grace_s: float = SWEEP_GRACE_S) -> int:
        """Delete blobs of uploads that were cut more than ``grace_s`` seconds ago; how many."""
        swept = 0
        old = {"$expr": {"$lt": ["$started_at", {"$subtract": ["$$NOW", int(grace_s * 1000)]}]}}
        self._db.uploads.delete_many({"sealed": True, **old})
        cut = {"sealed": None, **old}
        while (record := self._db.uploads.find_one(cut)) is not None:
            blob = record["_id"]
            stored = self._db.scans.find_one({"blob": blob}, {"_id": 1})
            if stored is not None and "swept" not in record:
                # Its hub was killed in the moment between the two. All its chunks are there.
                with contextlib.suppress(UploadLost):
                    self.seal(stored["_id"], blob)
                continue
            mine = self._db.uploads.update_one(
                {"_id": blob, "sealed": None}, {"$set": {"swept": True}}
            )
            if mine.matched_count:
                # Again, as it may have come until now; what comes from now on finds the mark.
                if self._db.scans.find_one({"blob": blob}, {"_id": 1}) is None:
                    self._delete_blob(blob)
                    swept += 1
                # Last: a sweep that is cut before leaves the record to the next one.
                self._db.uploads.delete_one({"_id": blob, "swept": True})
        return swept

    def _delete_blob(self, blob: ObjectId) -> None:
        self._db.chunks.delete_many({"_id": all_of(blob)})
