"""``DBManager`` for ``make reanalyze``: a scan that is ``'Done'`` is analysed again, and the report
that it had is kept as history.

How the steps follow each other, each repeatable, so that a kill between any two loses nothing:

1. A command puts the scan back to ``'To Do'``, its ``revision`` one higher, in one update. The
   report of the revision before stays the scan's report.
2. Whoever claims the scan analyses it and copies that report to the history, durably.
3. It replaces the report, in one update that only an earlier revision lets pass: of several owners
   one does, and an owner of an earlier revision changes nothing.
4. It sets the scan ``'Done'`` under the fence.

At any moment the scan has one report in ``brain_reports``: that of its revision or, before step 3,
of the one before. All earlier ones are in the history.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from common.domain.audit_events import Kind
from common.domain.report import BrainReport
from common.domain.scan import BrainScan, Packing
from common.domain.states import ReportGenerated
from common.errors import StoreError
from common.store.collections import WakeUp
from common.store.connection import Connection
from common.store.documents import Claim, Document, of_revision
from common.store.error_mapping import bulk_failure, translated
from common.store.recording import Recorder

_PAGE = 1000

_HAS_VOXELS = {"$or": [{"voxels": {"$exists": True}}, {"blob": {"$exists": True}}]}


@dataclass(frozen=True, slots=True)
class Analysed:
    """Which code made a scan's report."""

    scan_id: str
    revision: int
    scan_type: str
    analyzer: str
    version: str


@dataclass(frozen=True, slots=True)
class Revised:
    """A scan that was put back, and its reports."""

    scan_id: str
    state: str
    revision: int
    report: int | None
    """Revision of the report in ``brain_reports``."""
    history: frozenset[int]

    @property
    def right(self) -> bool:
        """Whether it has the one report that it must have by now, and all earlier ones as
        history. Step 2 done and step 3 not is right too."""
        if self.report is None:
            return False
        allowed = {self.revision}
        if self.state != ReportGenerated.DONE:
            allowed.add(self.revision - 1)
        earlier = set(range(1, self.report))
        return self.report in allowed and earlier <= self.history <= earlier | {self.revision - 1}


class Revisions:
    """Revisions of reports."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def analysed(self, scan_ids: Sequence[str] | None = None) -> Iterator[Analysed]:
        """Which code made each report (of these scans, or all), by rising id."""
        start: Document = {}
        while True:
            wanted = {} if scan_ids is None else {"$in": list(scan_ids)}
            page = self._reports_page({"_id": {**wanted, **start}} if wanted or start else {})
            for found in page:
                report = found["report"]
                yield Analysed(
                    scan_id=found["_id"],
                    revision=found.get("revision", 1),
                    scan_type=report["scan_type"],
                    analyzer=report["analyzer"]["name"],
                    version=report["analyzer"]["version"],
                )
            if not page:
                return
            start = {"$gt": page[-1]["_id"]}

    @translated
    def _reports_page(self, wanted: Mapping[str, Any]) -> list[Document]:
        fields = {"revision": 1, "report.scan_type": 1, "report.analyzer": 1}
        return list(self._db.reports.find(wanted, fields, sort=[("_id", 1)], limit=_PAGE))

    @translated
    def reported(self, scan_id: str) -> tuple[Claim, BrainReport] | None:
        """A scan and its report, as for the one who had the claim; None where one is missing.

        Raises:
            StoreError: what is stored is no scan or no report.
        """
        document = self._db.scans.find_one({"_id": scan_id})
        stored = self._db.reports.find_one({"_id": scan_id})
        if document is None or stored is None:
            return None
        try:
            claim = Claim(
                scan=BrainScan.model_validate(document["scan"]),
                owner=document.get("owner", ""),
                fence=document["fence"],
                attempts=document["attempts"],
                voxels=document.get("voxels"),
                blob=document.get("blob"),
                packing=Packing.model_validate(p) if (p := document.get("packing")) else None,
                revision=stored.get("revision", 1),
            )
            return claim, BrainReport.model_validate(stored["report"])
        except ValidationError:
            raise StoreError(f"what is stored of scan {scan_id} cannot be read") from None

    @translated
    def schedule_reanalysis(self, scan_ids: Sequence[str], revision: int) -> int:
        """Put scans that are ``'Done'`` with this revision of their report, and whose voxels are
        still there, back to ``'To Do'``, durably, to give the next revision; how many.

        The attempts count anew. The fence goes on: no owner of an earlier claim can finish it.
        """
        change: list[Document] = [
            {
                "$set": {
                    "report_generated": ReportGenerated.TO_DO,
                    "revision": revision + 1,
                    "attempts": 0,
                    "put_back_at": "$$NOW",
                }
            },
            {"$unset": ["lease_until", "done_at", "error"]},
        ]
        done = {
            "_id": {"$in": list(scan_ids)},
            "report_generated": ReportGenerated.DONE,
            **of_revision(revision),
            **_HAS_VOXELS,
        }
        self._recorder.note(Kind.SCHEDULE_REANALYSIS, scan_ids, outcome="to be analysed again")
        self._recorder.wait_durable()
        count = self._db.scans.update_many(done, change).modified_count
        if count:
            self._db.notifications.ring(WakeUp.SCAN)
        return count

    @translated
    def without_voxels(self, scan_ids: Sequence[str]) -> set[str]:
        """Those of these scans whose voxels are no longer stored."""
        gone: Document = {"_id": {"$in": list(scan_ids)}, "$nor": _HAS_VOXELS["$or"]}
        return {found["_id"] for found in self._db.scans.find(gone, {"_id": 1})}

    def revised(self) -> Iterator[Revised]:
        """Every scan that was ever put back, by rising id."""
        start = ""
        while page := self._revised_ids(start):
            yield from self.revisions_of(page)
            start = page[-1]

    @translated
    def _revised_ids(self, start: str) -> list[str]:
        wanted = {"revision": {"$gt": 1}, "_id": {"$gt": start}}
        found = self._db.scans.find(wanted, {"_id": 1}, sort=[("_id", 1)], limit=_PAGE)
        return [scan["_id"] for scan in found]

    @translated
    def revisions_of(self, scan_ids: Sequence[str]) -> list[Revised]:
        """What is stored of each of these scans that is there."""
        wanted = {"_id": {"$in": list(scan_ids)}}
        reports = {
            found["_id"]: found.get("revision", 1)
            for found in self._db.reports.find(wanted, {"revision": 1})
        }
        history: dict[str, set[int]] = {}
        for found in self._db.history.find({"scan_id": {"$in": list(scan_ids)}}, {"_id": 1}):
            history.setdefault(found["_id"]["scan"], set()).add(found["_id"]["revision"])
        return [
            Revised(
                scan_id=found["_id"],
                state=found["report_generated"],
                revision=found.get("revision", 1),
                report=reports.get(found["_id"]),
                history=frozenset(history.get(found["_id"], ())),
            )
            for found in self._db.scans.find(wanted, {"report_generated": 1, "revision": 1})
        ]

    def replace(self, documents: Sequence[Document]) -> None:
        """Steps 2 and 3 for reports of revision 2 and later. Repeatable."""
        if not documents:
            return
        earlier = [
            {
                "_id": document["_id"],
                "$or": [{"revision": {"$lt": document["revision"]}}, {"revision": None}],
            }
            for document in documents
        ]
        self._db.upsert(
            self._db.history,
            [
                {
                    **found,
                    "_id": {"scan": found["_id"], "revision": found.get("revision", 1)},
                    "scan_id": found["_id"],
                }
                for found in self._db.reports.find({"$or": earlier})
            ],
        )
        try:
            self._db.reports.bulk_write(
                [
                    ReplaceOne(one, document)
                    for one, document in zip(earlier, documents, strict=True)
                ],
                ordered=False,
            )
        except BulkWriteError as error:
            raise bulk_failure(error) from error
        # Where there was none to replace, and to wait until what another owner wrote is durable.
        self._db.upsert(self._db.reports, documents)
