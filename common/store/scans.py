"""Stores the scans that Fr-HUB's server receives."""

from collections.abc import Sequence

from pymongo.errors import BulkWriteError

from common.domain.audit_events import Kind
from common.domain.types import Document
from common.errors import UploadLost
from common.store.collections import Notification
from common.store.connection import Connection, duplicates
from common.store.documents import Added, NewScan, compare, scan_document
from common.store.error_mapping import translated
from common.store.recording import Recorder
from common.store.uploads import Uploads


class Scans:
    """Stores scans, durably, so that they can be acknowledged."""

    def __init__(self, connection: Connection, uploads: Uploads, recorder: Recorder) -> None:
        self._db = connection
        self._uploads = uploads
        self._recorder = recorder

    @translated
    def add(self, new: Sequence[NewScan]) -> list[Added]:
        """Store scans as ``'To Do'``, durably, and notify a processor. Repeatable.

        A duplicate key proves nothing about durability, as its first write may still be rolled
        back. So duplicates go through a ``$setOnInsert`` upsert, whose majority acknowledgement
        covers what it found; only then are the stored scans compared with the new ones.

        Notes each outcome in the audit trail; the caller waits for that before it acknowledges. A
        new large scan is noted by ``Uploads.end``, as it can be removed until then.
        """
        if not new:
            return []
        now = self._db.clock.now()
        documents = [scan_document(item, now) for item in new]
        outcome = [Added.STORED] * len(new)
        try:
            self._db.scans.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            repeated = duplicates(error)
            while repeated:
                repeated = self._compare_all(documents, repeated, outcome)
        self._db.notifications.publish(Notification.SCAN)
        self._note(new, outcome)
        return outcome

    def _note(self, new: Sequence[NewScan], outcomes: Sequence[Added]) -> None:
        groups: dict[tuple[str, Added], list[str]] = {}
        for item, outcome in zip(new, outcomes, strict=True):
            if outcome is not Added.STORED or item.blob is None:
                groups.setdefault((item.scan.pacs, outcome), []).append(item.scan.key)
        for (pacs, outcome), ids in groups.items():
            if outcome is Added.CONFLICT:
                self._recorder.note(Kind.CONFLICT, ids, peer=pacs, outcome="refused")
            else:
                self._recorder.note(Kind.RECEIVE, ids, peer=pacs, outcome=outcome.name.lower())

    def _compare_all(
        self, documents: Sequence[Document], repeated: Sequence[int], outcome: list[Added]
    ) -> list[int]:
        """Store these scans or compare them with the stored ones, and fill in the outcomes.

        Returns the positions to repeat, as the stored scan was removed in the meantime.
        """
        self._db.upsert(self._db.scans, [documents[index] for index in repeated])
        fields = ("scan", "blob", "unsealed", "report_generated", "voxels_hash")
        found = self._db.scans.find(
            {"_id": {"$in": [documents[index]["_id"] for index in repeated]}}, fields
        )
        stored = {document["_id"]: document for document in found}
        again = []
        for index in repeated:
            key = documents[index]["_id"]
            outcome[index] = compare(documents[index], stored.get(key))
            if outcome[index] is Added.KNOWN and "unsealed" in stored[key]:
                # Another sender's scan could still be removed: whoever acknowledges it seals it.
                try:
                    self._uploads.seal(key, stored[key]["blob"])
                except UploadLost:
                    again.append(index)
        return again
