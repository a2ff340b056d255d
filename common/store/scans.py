"""``DBManager`` for Fr-HUB's server: scans come in."""

import contextlib
from collections.abc import Sequence

from bson import ObjectId
from pymongo.errors import BulkWriteError, OperationFailure

from common.errors import UploadLost
from common.store.collections import Collection, WakeUp
from common.store.connection import Connection, duplicates
from common.store.documents import Added, Document, NewScan, all_of, compare, scan_document
from common.store.error_mapping import translated

SWEEP_GRACE_S = 3600.0
"""An upload younger than this is never swept: it may still be going on."""


class Ingest(Connection):
    """Scans and the chunks of large ones, durable before they are acknowledged."""

    def _prepare_chunks(self) -> None:
        """Make the collection where it is missing: compressed by the sender, so not again."""
        # Where that cannot be, or is done, the first chunk makes it as MongoDB does by default.
        with contextlib.suppress(OperationFailure):
            self._base.create_collection(
                Collection.CHUNKS,
                check_exists=False,
                storageEngine={"wiredTiger": {"configString": "block_compressor=none"}},
            )

    @translated
    def add_scans(self, new: Sequence[NewScan]) -> list[Added]:
        """Store scans as ``'To Do'``, durably, and wake a processor. Repeatable.

        A duplicate key proves nothing about durability (its first write may yet be rolled back),
        so duplicates go through a ``$setOnInsert`` upsert, whose majority acknowledgement covers
        what it found; only then is what is stored compared with what came.
        """
        if not new:
            return []
        documents = [scan_document(item) for item in new]
        outcome = [Added.STORED] * len(new)
        try:
            self._scans.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            repeated = duplicates(error)
            while repeated:
                repeated = self._compare_all(documents, repeated, outcome)
        self._wake_ups.ring(WakeUp.SCAN)
        return outcome

    def _compare_all(
        self, documents: Sequence[Document], repeated: Sequence[int], outcome: list[Added]
    ) -> list[int]:
        """Store or compare these, fill in their outcomes; those to do again, as what was there
        was taken back."""
        self._upsert(self._scans, [documents[index] for index in repeated])
        fields = ("scan", "blob", "unsealed", "report_generated", "voxels_hash")
        found = self._scans.find(
            {"_id": {"$in": [documents[index]["_id"] for index in repeated]}}, fields
        )
        stored = {document["_id"]: document for document in found}
        again = []
        for index in repeated:
            scan_id = documents[index]["_id"]
            outcome[index] = compare(documents[index], stored.get(scan_id))
            if outcome[index] is Added.KNOWN and "unsealed" in stored[scan_id]:
                # Another sender's, which could still be taken back: who acknowledges, seals.
                try:
                    self.end_upload(scan_id, stored[scan_id]["blob"])
                except UploadLost:
                    again.append(index)
        return again

    @translated
    def begin_upload(self, blob: ObjectId | None = None) -> ObjectId:
        """A blob, fresh where none is given, for the chunks of one attempt to send a large scan.
        Repeatable.

        Recorded before the first of them, so that a sweep finds what a cut upload leaves behind.
        """
        blob = blob or ObjectId()
        # The server's clock, by which a sweep judges: a host's may be hours behind it.
        self._uploads.update_one({"_id": blob}, [{"$set": {"started_at": "$$NOW"}}], upsert=True)
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
            self._chunks.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            # An earlier try got through in part; the same reasoning as in add_scans.
            self._upsert(self._chunks, [documents[index] for index in duplicates(error)])

    @translated
    def end_upload(self, scan_id: str, blob: ObjectId) -> None:
        """The scan that refers to this blob is stored: seal it, before acknowledging it to
        anybody. Repeatable.

        A sweep marks an upload before it looks for references and deletes. So either the record
        is sealed here, and no sweep ever touches the blob, or a sweep had it. The scan itself says
        which: it is ``unsealed`` until it is sure of its voxels, and only as such is it taken back.
        So of several that end it at once all find the same.

        Raises:
            UploadLost: a sweep had it: the scan is taken back and must be sent again.
        """
        record = self._uploads_fast.update_one(
            {"_id": blob, "swept": None}, {"$set": {"sealed": True}}
        )
        # Not durable by itself, which it need not be: the scan is, so a sweep that comes later
        # finds it; what must be durable before anybody is told is the next write.
        this = {"_id": scan_id, "blob": blob}
        if record.matched_count:
            kept = self._scans.update_one(this, {"$unset": {"unsealed": True}}).matched_count > 0
        else:
            taken = self._scans.delete_one({**this, "unsealed": True}).deleted_count > 0
            # Or it was sealed so long ago that a sweep removed the record.
            kept = not taken and self._scans.find_one({**this, "unsealed": None}) is not None
        if kept:
            return
        self._delete_blob(blob)  # which the sweep left if it saw the scan
        raise UploadLost("the upload took too long and was swept away: send the scan again")

    @translated
    def abandon_upload(self, blob: ObjectId) -> None:
        """Delete a blob that no scan refers to, and its record. Repeatable."""
        self._delete_blob(blob)
        self._uploads.delete_one({"_id": blob})

    @translated
    def sweep_uploads(self, grace_s: float = SWEEP_GRACE_S) -> int:
        """Delete blobs of uploads that were cut more than ``grace_s`` seconds ago; how many."""
        swept = 0
        old = {"$expr": {"$lt": ["$started_at", {"$subtract": ["$$NOW", int(grace_s * 1000)]}]}}
        self._uploads.delete_many({"sealed": True, **old})
        cut = {"sealed": None, **old}
        while (record := self._uploads.find_one(cut)) is not None:
            blob = record["_id"]
            stored = self._scans.find_one({"blob": blob}, {"_id": 1})
            if stored is not None and "swept" not in record:
                # Its hub was killed in the moment between the two. All its chunks are there.
                with contextlib.suppress(UploadLost):
                    self.end_upload(stored["_id"], blob)
                continue
            mine = self._uploads.update_one(
                {"_id": blob, "sealed": None}, {"$set": {"swept": True}}
            )
            if mine.matched_count:
                # Again, as it may have come until now; what comes from now on finds the mark.
                if self._scans.find_one({"blob": blob}, {"_id": 1}) is None:
                    self._delete_blob(blob)
                    swept += 1
                # Last: a sweep that is cut before leaves the record to the next one.
                self._uploads.delete_one({"_id": blob, "swept": True})
        return swept

    def _delete_blob(self, blob: ObjectId) -> None:
        self._chunks.delete_many({"_id": all_of(blob)})
