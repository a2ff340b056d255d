"""Sets a scan ``'Done'`` when it has its report, whoever wrote the report.

A processor that loses its claim between checking it and writing its report still writes the
report. That report is valid, is sent, and is the only one that the scan can have; but the scan must
not be in ``'Error'`` beside it. So every change to ``'Error'`` is followed by a check for a report,
and every late report by a check of its scan, as is every sending: whichever comes second sees the
first. If a kill separates the two, Fr-HUB's periodic ``FailedScans.reconcile`` repairs it; it first
runs when the hub starts.
"""

from collections.abc import Mapping, Sequence

from common.domain.audit_events import Kind
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import Document
from common.store.connection import Connection
from common.store.documents import of_revision
from common.store.recording import Recorder

FINISH: list[Document] = [
    {"$set": {"report_generated": ReportGenerated.DONE, "done_at": "$$NOW"}},
    {"$unset": ["lease_until", "error"]},
]
"""The update of a scan whose report exists."""

_UNCLAIMED = {"report_generated": {"$in": [ReportGenerated.TO_DO, ReportGenerated.ERROR]}}


class Reconciliation:
    """Brings the states of scans and their reports into agreement."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def reconcile(self, scan_ids: Sequence[str]) -> set[str]:
        """Set those of these scans ``'Done'``, durably, that have a report and no owner at work;
        returns their ids. A scan in progress is left to its owner."""
        wanted: Document = {"_id": {"$in": list(scan_ids)}}
        # With local read concern: the decision must take the latest writes into account.
        idle = self._db.scans_fast.find({**wanted, **_UNCLAIMED}, {"revision": 1})
        return self._finish_reported({d["_id"]: d.get("revision", 1) for d in idle})

    def reconcile_or_delete(self, scan_ids: Sequence[str]) -> set[str]:
        """``reconcile`` for reports that are about to be sent. Deletes reports of fully purged
        scans; returns their ids.

        Such a report is a scan's second one, written by a processor that was suspended all along.
        """
        states = {"$in": [*_UNCLAIMED["report_generated"]["$in"], PURGED]}
        wanted: Document = {"_id": {"$in": list(scan_ids)}, "report_generated": states}
        found = list(self._db.scans_fast.find(wanted, {"report_generated": 1, "revision": 1}))
        gone = {d["_id"] for d in found if d["report_generated"] == PURGED}
        self._finish_reported(
            {d["_id"]: d.get("revision", 1) for d in found if d["_id"] not in gone}
        )
        if gone:
            self._db.reports.delete_many({"_id": {"$in": list(gone)}, "status": False})
        return gone

    def _finish_reported(self, idle: Mapping[str, int]) -> set[str]:
        """Set those of these idle scans ``'Done'`` that have the report of their revision."""
        if not idle:
            return set()
        found = self._db.reports_fast.find({"_id": {"$in": list(idle)}}, {"revision": 1})
        reported: dict[int, list[str]] = {}
        for document in found:
            revision = document.get("revision", 1)
            if revision == idle[document["_id"]]:
                reported.setdefault(revision, []).append(document["_id"])
        if reported:
            # Their writer may have been killed before it recorded them.
            found_ids = [scan_id for ids in reported.values() for scan_id in ids]
            self._recorder.note(Kind.REPORT, found_ids, outcome="found")
            self._recorder.wait_durable()
        for revision, ids in reported.items():
            # Owner and fence stay, so an owner that took part recognizes its own write.
            these = {"_id": {"$in": ids}, **of_revision(revision), **_UNCLAIMED}
            self._db.scans.update_many(these, FINISH)
        return {scan_id for ids in reported.values() for scan_id in ids}
