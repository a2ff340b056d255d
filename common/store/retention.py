"""Retention: removes the voxels, or everything, of scans whose reports were delivered long ago.

Each step can be interrupted by a kill and repeated. The report's ``sent_at`` and the server's clock
decide, so a scan stays as long as Fr-PACS has not acknowledged its report.

A fully purged scan leaves a tombstone: its id, its voxel hash and the time, about 150 bytes and
nothing about a patient. Without it, the same scan sent again would be stored as new, analysed, and
reported a second time; with it, the scan is known and is acknowledged without effect.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from common.domain.audit_events import Kind
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import Document
from common.store.connection import Connection
from common.store.documents import all_of
from common.store.error_mapping import translated
from common.store.recording import Recorder

_PAGE = 500
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Due:
    """A page of scans that retention removes, or would remove."""

    keys: tuple[str, ...]
    voxels_bytes: int


class Retention:
    """Removes voxels, or scans with their reports; only of scans that are ``'Done'`` and sent."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def due(self, days: float, *, include_report: bool) -> Iterator[Due]:
        """The scans that ``purge`` would remove, in pages in order of their ids.

        Args:
            days: days since Fr-PACS acknowledged the report.
            include_report: remove scan and report, not only the voxels.
        """
        for ids in self._sent_before(days):
            yield self._due(ids, include_report=include_report)

    def purge(self, days: float, *, include_report: bool) -> Iterator[Due]:
        """Remove what is due, a page at a time, and yield each page. Repeatable after a kill.

        Each page is recorded in the audit trail before anything of it is deleted. If two processes
        purge at once, each scan is removed once and reported by one of them or both.
        """
        for ids in self._sent_before(days):
            due = self._due(ids, include_report=include_report)
            if due.keys:
                outcome = "all" if include_report else "voxels"
                self._recorder.note(Kind.RETENTION, due.keys, outcome=outcome)
                self._recorder.wait_durable()
            self._delete_voxels(due.keys, include_report=include_report)
            if include_report:
                self._delete_reports(ids)
            if due.keys:
                yield due

    def _sent_before(self, days: float) -> Iterator[list[str]]:
        after = ""
        while page := self._sent_page(days, after):
            yield page
            after = page[-1]

    @translated
    def _sent_page(self, days: float, after: str) -> list[str]:
        old = {"$lt": ["$sent_at", {"$subtract": ["$$NOW", int(days * _DAY_MS)]}]}
        # Without this, a report that lacks ``sent_at`` would compare as older than any time.
        known = {"sent_at": {"$type": "date"}, "$expr": old}
        wanted = {"_id": {"$gt": after}, "status": True, **known}
        found = self._db.reports.find(wanted, {"_id": 1}, sort=[("_id", 1)], limit=_PAGE)
        return [document["_id"] for document in found]

    @translated
    def _due(self, ids: Sequence[str], *, include_report: bool) -> Due:
        wanted: Document = {"_id": {"$in": list(ids)}, "report_generated": ReportGenerated.DONE}
        if not include_report:
            wanted["$or"] = [{"voxels": {"$exists": True}}, {"blob": {"$exists": True}}]
        fields = {"scan.voxels_bytes": 1, "voxels_gone_at": 1}
        found = sorted(self._db.scans.find(wanted, fields), key=lambda d: str(d["_id"]))
        size = sum(_size(d) for d in found if "voxels_gone_at" not in d)
        return Due(tuple(d["_id"] for d in found), size)

    @translated
    def _delete_voxels(self, ids: Sequence[str], *, include_report: bool) -> None:
        """Delete chunks first, then update their scans: if interrupted between the two, the scan
        still names its blob. Nothing reads the voxels of a scan that is ``'Done'``."""
        if not ids:
            return
        these: Document = {"_id": {"$in": list(ids)}, "report_generated": ReportGenerated.DONE}
        for document in list(
            self._db.scans.find({**these, "blob": {"$exists": True}}, {"blob": 1})
        ):
            blob: ObjectId = document["blob"]
            self._db.chunks.delete_many({"_id": all_of(blob)})
            self._db.uploads.delete_one({"_id": blob})
        if include_report:
            self._db.scans.update_many(these, [{"$replaceWith": _TOMBSTONE}])
        else:
            gone: list[Document] = [
                {"$set": {"voxels_gone_at": {"$ifNull": ["$voxels_gone_at", "$$NOW"]}}},
                {"$unset": ["voxels", "blob", "packing", "unsealed"]},
            ]
            self._db.scans.update_many(these, gone)

    @translated
    def _delete_reports(self, ids: Sequence[str]) -> None:
        """Delete the reports of purged scans: last, as an interrupted purge finds scans by them."""
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
    "schema": "$schema",
    "renamed": "$renamed",
}


def _size(document: Document) -> int:
    try:
        return int(document["scan"]["voxels_bytes"])
    except (KeyError, TypeError, ValueError):
        return 0  # a damaged header must not keep the scan forever
