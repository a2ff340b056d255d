"""``DBManager`` for retention: what was done and delivered long ago loses its voxels, or all.

Each step can be cut by a kill and made again. The report's ``sent_at`` and the server's clock
decide, so a report that Fr-PACS has not acknowledged keeps its scan for ever.

What is gone whole leaves a tombstone in the scan's place: its id, the hash of its voxels, and
when it went. Without it, the same scan sent again would be stored as new, analysed, and reported a
second time; with it, it is known, acknowledged, and passed over. It is about 150 bytes, without
anything of a patient.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from common.domain.audit_events import Kind
from common.domain.states import PURGED, ReportGenerated
from common.store.connection import Connection
from common.store.documents import Document, all_of
from common.store.error_mapping import translated
from common.store.recording import Recorder

_PAGE = 500
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Due:
    """Scans whose time is over: what retention would take, a page of it."""

    scan_ids: tuple[str, ...]
    voxels_bytes: int


class Retention:
    """Takes voxels, or scans with their reports, and nothing that is not ``'Done'`` and sent."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def due(self, days: float, *, whole: bool) -> Iterator[Due]:
        """What ``purge`` would take of, in pages by rising id. ``days``: since its report was
        acknowledged by Fr-PACS. ``whole``: scan and report, not only the voxels."""
        for ids in self._sent_before(days):
            yield self._due(ids, whole=whole)

    def purge(self, days: float, *, whole: bool) -> Iterator[Due]:
        """Take it, a page at a time; what was taken. Repeatable, also after a kill in the middle.
        Each page is recorded before anything of it is deleted.

        Two that purge at once: each scan is told by one of them or by both, and is taken once.
        """
        for ids in self._sent_before(days):
            due = self._due(ids, whole=whole)
            if due.scan_ids:
                outcome = "all" if whole else "voxels"
                self._recorder.note(Kind.RETENTION, due.scan_ids, outcome=outcome)
                self._recorder.wait_durable()
            self._take_voxels(due.scan_ids, whole=whole)
            if whole:
                self._bury_reports(ids)
            if due.scan_ids:
                yield due

    def _sent_before(self, days: float) -> Iterator[list[str]]:
        after = ""
        while page := self._sent_page(days, after):
            yield page
            after = page[-1]

    @translated
    def _sent_page(self, days: float, after: str) -> list[str]:
        old = {"$lt": ["$sent_at", {"$subtract": ["$$NOW", int(days * _DAY_MS)]}]}
        # A report without ``sent_at`` compares as older than any time: not so.
        known = {"sent_at": {"$type": "date"}, "$expr": old}
        wanted = {"_id": {"$gt": after}, "status": True, **known}
        found = self._db.reports.find(wanted, {"_id": 1}, sort=[("_id", 1)], limit=_PAGE)
        return [document["_id"] for document in found]

    @translated
    def _due(self, ids: Sequence[str], *, whole: bool) -> Due:
        wanted: Document = {"_id": {"$in": list(ids)}, "report_generated": ReportGenerated.DONE}
        if not whole:
            wanted["$or"] = [{"voxels": {"$exists": True}}, {"blob": {"$exists": True}}]
        fields = {"scan.voxels_bytes": 1, "voxels_gone_at": 1}
        found = sorted(self._db.scans.find(wanted, fields), key=lambda d: str(d["_id"]))
        size = sum(_size(d) for d in found if "voxels_gone_at" not in d)
        return Due(tuple(d["_id"] for d in found), size)

    @translated
    def _take_voxels(self, ids: Sequence[str], *, whole: bool) -> None:
        """Chunks first, then their scans: cut between the two, a scan still says what to delete.
        Nobody reads the voxels of a scan that is ``'Done'``, and none leaves that state."""
        if not ids:
            return
        these: Document = {"_id": {"$in": list(ids)}, "report_generated": ReportGenerated.DONE}
        for document in list(
            self._db.scans.find({**these, "blob": {"$exists": True}}, {"blob": 1})
        ):
            blob: ObjectId = document["blob"]
            self._db.chunks.delete_many({"_id": all_of(blob)})
            self._db.uploads.delete_one({"_id": blob})
        if whole:
            self._db.scans.update_many(these, [{"$replaceWith": _TOMBSTONE}])
        else:
            gone: list[Document] = [
                {"$set": {"voxels_gone_at": {"$ifNull": ["$voxels_gone_at", "$$NOW"]}}},
                {"$unset": ["voxels", "blob", "packing", "unsealed"]},
            ]
            self._db.scans.update_many(these, gone)

    @translated
    def _bury_reports(self, ids: Sequence[str]) -> None:
        """Reports of scans that are gone, last: so that what was cut is found again by them."""
        found = self._db.scans.find(
            {"_id": {"$in": list(ids)}, "report_generated": PURGED}, {"_id": 1}
        )
        gone: Document = {"$in": [document["_id"] for document in found]}
        self._db.history.delete_many({"scan_id": gone})
        self._db.pictures.delete_many({"scan_id": gone})
        self._db.reports.delete_many({"_id": gone, "status": True})


_TOMBSTONE: Document = {
    "_id": "$_id",
    "report_generated": {"$literal": PURGED},
    "voxels_hash": "$scan.voxels_hash",
    "fence": "$fence",
    "purged_at": "$$NOW",
}


def _size(document: Document) -> int:
    try:
        return int(document["scan"]["voxels_bytes"])
    except (KeyError, TypeError, ValueError):
        return 0  # a damaged header is no reason to keep the scan for ever
