"""Retention: removes the voxels, or everything, of scans whose reports were delivered long ago, and
of scans that failed long ago where that is asked for.

The steps, each repeatable, so that a kill between any two loses nothing:

1. The scans are marked (``purging_since``), in one update that only their final state passes, with
   the revision whose report was delivered. A marked scan is neither analysed again nor requeued.
2. What is to be removed is recorded in the audit trail.
3. The chunks are deleted, then the scan's own voxels or the scan, with the mark; its report last.

The report's ``sent_at``, or the time of the failure, and the server's clock decide, so a scan stays
as long as Fr-PACS has not acknowledged its report.

A fully purged scan leaves a tombstone: its id, its voxel hash and the time, about 150 bytes and
nothing about a patient. Without it, the same scan sent again would be stored as new, analysed, and
reported a second time; with it, the scan is refused as purged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from common.domain.audit_events import Kind
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import find
from common.store.documents import HAS_VOXELS, all_of, of_revision, revision_of
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.recording import Recorder
from common.store.stored_types import is_readable

_PAGE = 500
_MARKED: Document = {"purging_since": {"$exists": True}}


@dataclass(frozen=True, slots=True)
class Due:
    """A page of scans that retention removes, or would remove."""

    keys: tuple[str, ...]
    voxels_bytes: int


@dataclass(frozen=True, slots=True)
class _Candidates:
    """A page of scans that are old enough; ``revisions`` has that of the delivered reports."""

    state: ReportGenerated
    revisions: dict[str, int]

    def conditions(self) -> Iterator[Document]:
        """A filter of the scans for each revision."""
        for revision in set(self.revisions.values()):
            keys = [key for key, found in self.revisions.items() if found == revision]
            these = {"_id": {"$in": keys}, "report_generated": self.state}
            # A failed scan's report, if it has one, is of an earlier revision.
            yield these | (of_revision(revision) if self.state == ReportGenerated.DONE else {})


class Retention:
    """Removes voxels, or scans with their reports; of scans that are ``'Done'`` and sent, or, where
    asked for, in ``'Error'``."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def due(self, days: float, *, include_report: bool, failed: bool = False) -> Iterator[Due]:
        """The scans that ``purge`` would remove, in pages, the oldest first.

        Args:
            days: days since Fr-PACS acknowledged the report, or since the scan failed.
            include_report: remove scan and report, not only the voxels.
            failed: the scans in ``'Error'`` instead of those that are ``'Done'``.
        """
        for page in self._old(days, include_report=include_report, failed=failed):
            if (due := self._due(page, include_report=include_report)).keys:
                yield due

    def purge(self, days: float, *, include_report: bool, failed: bool = False) -> Iterator[Due]:
        """Remove what is due, a page at a time, and yield each page. Repeatable after a kill.

        Each page is recorded in the audit trail before anything of it is deleted. If two processes
        purge at once, each scan is removed once and reported by one of them or both.
        """
        for page in self._old(days, include_report=include_report, failed=failed):
            self._mark(page, include_report=include_report)
            due = self._due(page, include_report=include_report, marked=True)
            if due.keys:
                outcome = "all" if include_report else "voxels"
                cause = "failed" if failed else None
                self._recorder.note(Kind.RETENTION, due.keys, outcome=outcome, cause=cause)
                self._recorder.wait_durable()
            self._delete_voxels(due.keys, page.state, include_report=include_report)
            if include_report:
                self._delete_reports(list(page.revisions))
            elif not failed:
                self._note_gone(list(page.revisions))
            if due.keys:
                yield due

    @translated
    def _before(self, days: float) -> datetime:
        # The server's clock: a host's may be wrong.
        now: datetime = self._db.database.command("hello")["localTime"]
        return now.replace(tzinfo=UTC) - timedelta(days=days)

    def _old(self, days: float, *, include_report: bool, failed: bool) -> Iterator[_Candidates]:
        before = self._before(days)
        after: tuple[datetime, str] | None = None
        while True:
            if failed:
                page, after = self._failed_page(before, after, include_report=include_report)
            else:
                page, after = self._sent_page(before, after, include_report=include_report)
            if after is None:
                return
            yield page

    @translated
    def _sent_page(
        self, before: datetime, after: tuple[datetime, str] | None, *, include_report: bool
    ) -> tuple[_Candidates, tuple[datetime, str] | None]:
        wanted: Document = {
            "status": True,
            # Reports whose scans have no voxels any more are of no use to another look.
            "voxels_gone": {"$in": [None, True]} if include_report else None,
            **_between("sent_at", before, after),
        }
        order = [("sent_at", 1), ("_id", 1)]
        fields = {"revision": 1, "sent_at": 1}
        found = find(self._db.reports, wanted, fields, sort=order, limit=_PAGE)
        page = _Candidates(ReportGenerated.DONE, _revisions(found))
        return page, (found[-1]["sent_at"], found[-1]["_id"]) if found else None

    @translated
    def _failed_page(
        self, before: datetime, after: tuple[datetime, str] | None, *, include_report: bool
    ) -> tuple[_Candidates, tuple[datetime, str] | None]:
        wanted: Document = {
            "report_generated": ReportGenerated.ERROR,
            **_between("error.at", before, after),
        }
        order = [("error.at", 1), ("_id", 1)]
        found = find(self._db.scans, wanted, {"error.at": 1}, sort=order, limit=_PAGE)
        keys = [document["_id"] for document in found]
        if include_report:
            # The report of an earlier revision, which Fr-PACS does not have yet, is sent first.
            unsent = find(self._db.reports, {"_id": {"$in": keys}, "status": False}, {"_id": 1})
            waiting = {document["_id"] for document in unsent}
            keys = [key for key in keys if key not in waiting]
        page = _Candidates(ReportGenerated.ERROR, dict.fromkeys(keys, 1))
        return page, (found[-1]["error"]["at"], found[-1]["_id"]) if found else None

    @translated
    def _mark(self, page: _Candidates, *, include_report: bool) -> None:
        for condition in page.conditions():
            wanted = condition if include_report else {**condition, **HAS_VOXELS}
            self._db.scans.update_many(
                {**wanted, "purging_since": None}, [{"$set": {"purging_since": "$$NOW"}}]
            )

    @translated
    def _due(self, page: _Candidates, *, include_report: bool, marked: bool = False) -> Due:
        found: list[Document] = []
        for condition in page.conditions():
            wanted = condition if include_report else {**condition, **HAS_VOXELS}
            fields = {"scan.voxels_bytes": 1, "voxels_gone_at": 1}
            found += find(self._db.scans, wanted | (_MARKED if marked else {}), fields)
        found.sort(key=lambda d: str(d["_id"]))
        size = sum(_size(d) for d in found if "voxels_gone_at" not in d)
        return Due(tuple(d["_id"] for d in found), size)

    @translated
    def _delete_voxels(
        self, keys: Sequence[str], state: ReportGenerated, *, include_report: bool
    ) -> None:
        """Delete chunks first, then update their scans: if interrupted between the two, the scan
        still names its blob. Nothing reads the voxels of a marked scan."""
        if not keys:
            return
        self._db.feed.begin()
        these: Document = {"_id": {"$in": list(keys)}, "report_generated": state, **_MARKED}
        for document in find(self._db.scans, {**these, "blob": {"$type": "objectId"}}, {"blob": 1}):
            blob: ObjectId = document["blob"]
            self._db.chunks.delete_many({"_id": all_of(blob)})
            self._db.uploads.delete_one({"_id": blob})
        if include_report:
            self._db.scans.update_many(these, [{"$replaceWith": _TOMBSTONE}])
        else:
            gone: list[Document] = [
                {"$set": {"voxels_gone_at": {"$ifNull": ["$voxels_gone_at", "$$NOW"]}}},
                {"$unset": ["voxels", "blob", "packing", "unsealed", "purging_since"]},
            ]
            self._db.scans.update_many(these, gone)
        self._db.feed.tell(scans_to_look_up(keys))

    @translated
    def _delete_reports(self, keys: Sequence[str]) -> None:
        """Delete the reports of purged scans: last, as an interrupted purge finds scans by them."""
        found = self._db.scans.find(
            {"_id": {"$in": list(keys)}, "report_generated": PURGED}, {"_id": 1}
        )
        gone: Document = {"$in": [document["_id"] for document in found]}
        self._db.history.delete_many({"scan_id": gone})
        self._db.pictures.delete_many({"scan_id": gone})
        self._db.labels.delete_many({"scan_id": gone})
        self._db.reports.delete_many({"_id": gone, "status": True})

    @translated
    def _note_gone(self, keys: Sequence[str]) -> None:
        """Mark the reports of scans without voxels, so that the next run does not look at them. A
        report that replaces one of these is not marked."""
        wanted: Document = {
            "_id": {"$in": list(keys)},
            "report_generated": ReportGenerated.DONE,
            "$nor": HAS_VOXELS["$or"],
        }
        gone = [found["_id"] for found in find(self._db.scans, wanted, {"_id": 1})]
        if gone:
            self._db.reports_fast.update_many(
                {"_id": {"$in": gone}, "status": True}, {"$set": {"voxels_gone": True}}
            )


def _between(field: str, before: datetime, after: tuple[datetime, str] | None) -> Document:
    """A filter of the documents before this time, and after the last one of the page before."""
    text = {"_id": {"$gte": ""}}  # no unit reads documents with other ids
    if after is None:
        return {field: {"$lt": before}, **text}
    at, key = after
    if not is_readable(key):
        return {field: {"$gt": at, "$lt": before}, **text}  # it must not come again
    later = [{field: {"$gt": at}}, {"_id": {"$gt": key}}]
    return {field: {"$gte": at, "$lt": before}, "$or": later, **text}


_TOMBSTONE: Document = {
    "_id": "$_id",
    "report_generated": {"$literal": PURGED},
    "voxels_hash": "$scan.voxels_hash",
    "fence": "$fence",
    "purged_at": "$$NOW",
    "schema": "$schema",
    "renamed": "$renamed",
}


def _revisions(reports: Sequence[Document]) -> dict[str, int]:
    """The revisions of these reports. Nothing is removed of a scan whose report is damaged."""
    found = {d["_id"]: revision_of(d) for d in reports}
    return {key: revision for key, revision in found.items() if revision}


def _size(document: Document) -> int:
    try:
        return int(document["scan"]["voxels_bytes"])
    except (KeyError, TypeError, ValueError):
        return 0  # a damaged header must not keep the scan forever
