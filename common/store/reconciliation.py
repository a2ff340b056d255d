"""``DBManager``: a scan that has its report is ``'Done'``, whoever wrote the report.

A processor whose claim has ended may still write its report in the moment between its look at
the claim and its write. That report is as good as any other, is sent, and is the only one that the
scan can have; what must not be is that the scan says ``'Error'`` beside it. Each change to
``'Error'`` is therefore followed by a look for a report, each late report by a look at its scan,
and so is each sending: whichever of the two comes second sees the first. A kill between the two
leaves it to Fr-HUB's round (``settle_errors``), which begins at its start.
"""

from collections.abc import Mapping, Sequence

from common.domain.audit_events import Kind
from common.domain.states import PURGED, ReportGenerated
from common.store.connection import Connection
from common.store.documents import Document, of_revision
from common.store.recording import Recorder

FINISH: list[Document] = [
    {"$set": {"report_generated": ReportGenerated.DONE, "done_at": "$$NOW"}},
    {"$unset": ["lease_until", "error"]},
]
"""What a scan's document becomes when its report is there."""

_UNCLAIMED = {"report_generated": {"$in": [ReportGenerated.TO_DO, ReportGenerated.ERROR]}}


class Reconciliation:
    """Scans and reports brought together."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def reconcile(self, scan_ids: Sequence[str]) -> set[str]:
        """Those of these scans that nobody works on and that have a report are ``'Done'`` now,
        durably; their ids. A scan in progress is left to who claimed it."""
        wanted: Document = {"_id": {"$in": list(scan_ids)}}
        # Not majority-committed ones: what is decided here must come after what is stored now.
        idle = self._db.scans_fast.find({**wanted, **_UNCLAIMED}, {"revision": 1})
        return self._finish_reported({d["_id"]: d.get("revision", 1) for d in idle})

    def reconcile_or_delete(self, scan_ids: Sequence[str]) -> set[str]:
        """``_settle`` for reports that are about to leave. Those of scans that retention took
        whole are second ones, of processors that slept for all that time: they are deleted; their
        ids."""
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
        """Those of these scans, each with its revision, that have the report of that revision."""
        if not idle:
            return set()
        found = self._db.reports_fast.find({"_id": {"$in": list(idle)}}, {"revision": 1})
        reported: dict[int, list[str]] = {}
        for document in found:
            revision = document.get("revision", 1)
            if revision == idle[document["_id"]]:
                reported.setdefault(revision, []).append(document["_id"])
        if reported:
            # Whoever wrote them may have been killed before it was recorded.
            found_ids = [scan_id for ids in reported.values() for scan_id in ids]
            self._recorder.note(Kind.REPORT, found_ids, outcome="found")
            self._recorder.wait_durable()
        for revision, ids in reported.items():
            # The owner and the fence stay: an owner that had a part in it finds its own mark.
            these = {"_id": {"$in": ids}, **of_revision(revision), **_UNCLAIMED}
            self._db.scans.update_many(these, FINISH)
        return {scan_id for ids in reported.values() for scan_id in ids}
