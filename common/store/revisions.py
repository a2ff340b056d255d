"""Revisions of reports, for ``make reanalyze``: a ``'Done'`` scan is analysed again, and its
earlier report is kept as history. ``study_pairs`` schedules such an analysis without an operator.

The steps, each repeatable, so a kill between any two loses nothing:

1. A command returns the scan to ``'To Do'`` with the next ``revision``, in one update. The earlier
   report stays the scan's report.
2. The processor that claims the scan analyses it and copies the earlier report to the history.
3. It replaces the report, in one update that only an earlier revision passes (``Reports``).
4. It sets the scan ``'Done'`` under the fence.

If the reanalysis fails for good, the scan is ``'Done'`` again with the revision and the report that
it had, and ``reanalysis_error`` has the cause.

At any moment the scan has one report in ``brain_reports``: that of its revision or, before step 3,
of the previous one. All earlier reports are in the history.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from common.domain.audit_events import Kind
from common.domain.report import BrainReport
from common.domain.scan import BrainScan, Packing
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.errors import StoreError
from common.store.claim_documents import CHOSEN, reanalysis_update
from common.store.collections import Notification
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import HAS_VOXELS, Claim, of_revision, revision_of
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.paging import pages
from common.store.recording import Recorder

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Analysed:
    """Which analyzer made a scan's report."""

    key: str
    revision: int
    scan_type: str
    analyzer: str
    version: str


@dataclass(frozen=True, slots=True)
class Revised:
    """A scan that was scheduled for reanalysis, with the revisions of its reports."""

    key: str
    state: str
    revision: int
    report: int | None
    """Revision of the report in ``brain_reports``."""
    history: frozenset[int]

    @property
    def is_consistent(self) -> bool:
        """Whether the scan has the report that it should have by now and all earlier ones as
        history. Step 2 done and step 3 not yet is consistent too."""
        if self.report is None:
            return False
        allowed = {self.revision}
        if self.state != ReportGenerated.DONE:
            allowed.add(self.revision - 1)
        # Counted, as a damaged revision may be a huge number.
        earlier = self.history - {self.report}
        complete = len(earlier) == self.report - 1
        return self.report in allowed and complete and all(0 < n < self.report for n in earlier)


class Revisions:
    """Finds what to reanalyze, schedules it, and lists the revisions of reports."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def analysed(self, keys: Sequence[str] | None = None) -> Iterator[Analysed]:
        """Which analyzer made each report, of these scans or all, in order of the ids."""
        wanted: Document = {"_id": {"$gt": ""} if keys is None else {"$in": list(keys)}}
        fields = {"revision": 1, "report.scan_type": 1, "report.analyzer": 1}
        for page in pages(self._db.reports, wanted, fields, size=_PAGE):
            yield from map(_analysed, page)

    @translated
    def reported(self, key: str) -> tuple[Claim, BrainReport] | None:
        """A scan, as a claim, and its report; None if one is missing.

        Raises:
            StoreError: the stored scan or report cannot be read.
        """
        document = self._db.scans.find_one({"_id": key})
        stored = self._db.reports.find_one({"_id": key})
        if document is None or stored is None:
            return None
        try:
            claim = Claim(
                scan=BrainScan.stored(document["scan"]),
                owner=document.get("owner", ""),
                fence=document["fence"],
                attempts=document["attempts"],
                voxels=document.get("voxels"),
                blob=document.get("blob"),
                packing=Packing.model_validate(p) if (p := document.get("packing")) else None,
                revision=stored.get("revision", 1),
            )
            return claim, BrainReport.model_validate(stored["report"])
        except (ValidationError, KeyError):
            raise StoreError(f"the stored scan or report of {key} cannot be read") from None

    @translated
    def schedule_reanalysis(
        self,
        keys: Sequence[str],
        revision: int,
        by: str | None = None,
        analyzer: str | None = None,
    ) -> int:
        """Return scans to ``'To Do'`` for the next revision, durably; returns their number.

        Only scans that are ``'Done'`` with this revision and still have their voxels. Attempts
        start at 0; the fence keeps rising, so no earlier owner can finish such a scan. Whatever
        their priority was, they take their turn as background scans that arrive now.

        Args:
            keys: of the scans.
            revision: of the reports that they have.
            by: the user who asked for it, for the audit trail.
            analyzer: name and version of the one that is to read them; None: whichever is
                installed for their type.
        """
        chosen = "$$REMOVE" if analyzer is None else {"$literal": analyzer}
        change: list[Document] = [*reanalysis_update(revision), {"$set": {CHOSEN: chosen}}]
        done = {
            "_id": {"$in": list(keys)},
            "report_generated": ReportGenerated.DONE,
            **of_revision(revision),
            **HAS_VOXELS,
            "purging_since": None,  # retention is removing them
        }
        self._promise(keys, "to be analysed again", by, analyzer)
        count = self._db.scans.update_many(done, change).modified_count
        if count:
            self._db.notifications.publish(Notification.SCAN)
            self._db.feed.tell(scans_to_look_up(keys))
        return count

    @translated
    def choose(self, keys: Sequence[str], by: str, analyzer: str | None) -> set[str]:
        """Choose another analyzer for scans that wait for the one that was chosen; returns the
        keys of those that do. Arguments as for ``schedule_reanalysis``."""
        waiting = {"_id": {"$in": list(keys)}, "report_generated": ReportGenerated.TO_DO}
        change: Document = (
            {"$unset": {CHOSEN: ""}} if analyzer is None else {"$set": {CHOSEN: analyzer}}
        )
        self._promise(keys, "another analyzer was chosen", by, analyzer)
        self._db.scans.update_many({**waiting, CHOSEN: {"$exists": True}}, change)
        self._db.notifications.publish(Notification.SCAN)
        self._db.feed.tell(scans_to_look_up(keys))
        return {
            one["_id"] for one in find(self._db.scans, {**waiting, CHOSEN: analyzer}, {"_id": 1})
        }

    def _promise(
        self, keys: Sequence[str], outcome: str, by: str | None, analyzer: str | None
    ) -> None:
        """Record what is about to be changed, durably."""
        self._db.feed.begin()
        self._recorder.note(
            Kind.SCHEDULE_REANALYSIS, keys, outcome=outcome, by=by, analyzer=analyzer
        )
        self._recorder.wait_durable()

    @translated
    def without_voxels(self, keys: Sequence[str]) -> set[str]:
        """The ids of those of these scans whose voxels were removed."""
        removed = [{"purging_since": {"$exists": True}}, {"$nor": HAS_VOXELS["$or"]}]
        gone: Document = {"_id": {"$in": list(keys)}, "$or": removed}
        return {found["_id"] for found in self._db.scans.find(gone, {"_id": 1})}

    @translated
    def expected(self, keys: Sequence[str]) -> set[str]:
        """The ids of those of these scans of which another report may come: they wait for an
        analysis, or a later revision than the first one waits for its delivery."""
        these = {"_id": {"$in": list(keys)}}
        states = [str(ReportGenerated.TO_DO), str(ReportGenerated.IN_PROGRESS)]
        unsent = {"status": False, "revision": {"$gt": 1}, "undeliverable": None}
        return {
            found["_id"]
            for collection, wanted in (
                (self._db.scans, {"report_generated": {"$in": states}}),
                (self._db.reports, unsent),
            )
            for found in find(collection, {**these, **wanted}, {"_id": 1}, hint=BY_ID)
        }

    def revised(self) -> Iterator[Revised]:
        """Every scan that was ever scheduled for reanalysis, in order of the ids."""
        # A damaged one is not what its report has, so that it is found out.
        wanted = {"revision": {"$exists": True, "$ne": 1}, "_id": {"$gt": ""}}
        for page in pages(self._db.scans, wanted, {"_id": 1}, size=_PAGE):
            yield from self.revisions_of([scan["_id"] for scan in page])

    @translated
    def revisions_of(self, keys: Sequence[str]) -> list[Revised]:
        """The revisions of these scans; without those that are not stored."""
        wanted = {"_id": {"$in": list(keys)}}
        reports = {
            found["_id"]: revision_of(found)
            for found in find(self._db.reports, wanted, {"revision": 1})
        }
        history: dict[str, set[int]] = {}
        for found in find(self._db.history, {"scan_id": {"$in": list(keys)}}, {"_id": 1}):
            name = found["_id"]
            if isinstance(name, dict) and isinstance(name.get("revision"), int):
                history.setdefault(str(name.get("scan")), set()).add(name["revision"])
        return [
            Revised(
                key=found["_id"],
                state=str(found.get("report_generated")),
                revision=revision_of(found),
                report=reports.get(found["_id"]),
                history=frozenset(history.get(found["_id"], ())),
            )
            for found in find(self._db.scans, wanted, {"report_generated": 1, "revision": 1})
        ]


def _analysed(stored: Document) -> Analysed:
    # Of a damaged report, which is to be made again, some may be missing.
    report = _document(stored.get("report"))
    analyzer = _document(report.get("analyzer"))
    return Analysed(
        key=stored["_id"],
        revision=revision_of(stored),
        scan_type=str(report.get("scan_type", "")),
        analyzer=str(analyzer.get("name", "")),
        version=str(analyzer.get("version", "")),
    )


def _document(value: object) -> Document:
    return value if isinstance(value, dict) else {}
