"""Sets a scan ``'Done'`` when it has its report, whoever wrote the report.

A processor that loses its claim between checking it and writing its report still writes the
report. That report is valid, is sent, and is the only one that the scan can have; but the scan must
not be in ``'Error'`` beside it. So every change to ``'Error'`` is followed by a check for a report,
and every late report by a check of its scan, as is every sending: whichever comes second sees the
first. If a kill separates the two, Fr-HUB's periodic ``reconcile_failed`` repairs it; it first runs
when the hub starts.
"""

from collections.abc import Iterator, Mapping, Sequence

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import COMPARES, LOOK, of_revision, revision_of
from common.store.error_mapping import translated
from common.store.feed_documents import reports_changed, scans_to_look_up
from common.store.paging import pages
from common.store.recording import Recorder
from common.store.study_pairs import StudyPairs
from common.store.successors import Successors

FINISH: Document = {
    "$set": {"report_generated": ReportGenerated.DONE},
    "$currentDate": {"done_at": True},
    "$unset": dict.fromkeys(("lease_until", "error", "notice", "reanalysis_error"), True),
}
"""The update of a scan whose report exists."""

UNCLAIMED = (ReportGenerated.TO_DO, ReportGenerated.ERROR)
"""The states of scans that have no report yet and no owner at work."""

_UNCLAIMED = {"report_generated": {"$in": [*UNCLAIMED]}}
_PAGE = 1000
_FIELDS = {"revision": 1, LOOK: 1, COMPARES: 1, "report.study": 1}


class Reconciliation:
    """Brings the states of scans and their reports into agreement."""

    def __init__(
        self,
        connection: Connection,
        pairs: StudyPairs,
        successors: Successors,
        recorder: Recorder,
    ) -> None:
        self._db = connection
        self._pairs = pairs
        self._successors = successors
        self._recorder = recorder

    def reconcile(self, keys: Sequence[str]) -> set[str]:
        """Set those of these scans ``'Done'``, durably, that have a report and no owner at work;
        returns their ids. A scan in progress is left to its owner."""
        wanted: Document = {"_id": {"$in": list(keys)}}
        # With local read concern: the decision must take the latest writes into account.
        idle = find(self._db.scans_fast, {**wanted, **_UNCLAIMED}, {"revision": 1})
        self._adopt_late(wanted)
        return self.finish_reported(_revisions(idle))

    def _adopt_late(self, wanted: Document) -> None:
        """Give scans whose reanalysis had failed for good the revision of a report that an earlier
        owner wrote late. Both look after they have written, so the second one sees the first. Then
        look at the studies of all whose reanalysis failed."""
        went_back = {"report_generated": ReportGenerated.DONE, "reanalysis_error": {"$ne": None}}
        back = find(self._db.scans_fast, {**wanted, **went_back}, {"revision": 1})
        if not back:
            return
        reports = find(
            self._db.reports_fast, {"_id": {"$in": [one["_id"] for one in back]}}, _FIELDS
        )
        reported = _revisions(reports)
        for key, revision in _revisions(back).items():
            if reported.get(key) == revision + 1:
                these = {"_id": key, **went_back, **of_revision(revision)}
                change = {"$set": {"revision": revision + 1}, "$unset": {"reanalysis_error": 1}}
                self._db.scans.update_one(these, change)
                self._db.feed.tell(scans_to_look_up([key]))
        # Who looked at the study meanwhile left them to the reanalysis.
        self._look(reports, {one["_id"] for one in reports})

    def finish_reported(self, idle: Mapping[str, int]) -> set[str]:
        """As ``reconcile``, for scans that are known to be idle: each with its revision. Only a
        report of that revision counts."""
        if not idle:
            return set()
        found = find(self._db.reports_fast, {"_id": {"$in": list(idle)}}, _FIELDS)
        reported: dict[int, list[str]] = {}
        for key, revision in _revisions(found).items():
            if revision == idle[key]:
                reported.setdefault(revision, []).append(key)
        if reported:
            # Their writer may have been killed before it recorded them.
            found_ids = [key for ids in reported.values() for key in ids]
            self._recorder.note(Kind.REPORT, found_ids, outcome="found")
            self._recorder.wait_durable()
            # Their writer may have been killed before it looked.
            self._look(found, set(found_ids))
        for revision, ids in reported.items():
            # Owner and fence stay, so an owner that took part recognizes its own write.
            these = {"_id": {"$in": ids}, **of_revision(revision), **_UNCLAIMED}
            self._db.scans.update_many(these, FINISH)
            self._db.feed.tell(scans_to_look_up(ids), reports_changed(ids, "ready", revision))
        return {key for ids in reported.values() for key in ids}

    def _look(self, reports: Sequence[Document], keys: set[str]) -> None:
        """Look at the studies and subjects of these scans, as their reports say."""
        self._pairs.send_back(_studies_to_look_at(reports, keys))
        self._successors.send_back(
            [one["_id"] for one in reports if one["_id"] in keys and one.get(COMPARES) is True]
        )

    @translated
    def reconcile_failed(self) -> list[str]:
        """Set failed scans that have a report ``'Done'``; returns their ids.

        Repairs what a kill between the two writes left behind. Fr-HUB calls it periodically.
        """
        return [
            key
            for page in self._failed_ids()
            if (reported := self._reported(page))
            for key in sorted(self.reconcile(reported))
        ]

    def _reported(self, keys: Sequence[str]) -> list[str]:
        """Those of these scans that have a report, of whichever revision: few that failed do."""
        found = self._db.reports_fast.find({"_id": {"$in": list(keys)}}, {"_id": 1}, hint=BY_ID)
        return [document["_id"] for document in found]

    def _failed_ids(self) -> Iterator[list[str]]:
        wanted = {"report_generated": ReportGenerated.ERROR, "_id": {"$gt": ""}}
        for page in pages(self._db.scans, wanted, {"_id": 1}, size=_PAGE):
            yield [document["_id"] for document in page]


def _studies_to_look_at(reports: Sequence[Document], keys: set[str]) -> set[str]:
    """The studies of the reports on these scans; without those that are damaged."""
    contents = [one.get("report") for one in reports if one["_id"] in keys and one.get(LOOK)]
    studies = [one.get("study") for one in contents if isinstance(one, dict)]
    return {one for one in studies if type(one) is str}  # BSON's code is a str, and no key


def _revisions(found: Sequence[Document]) -> dict[str, int]:
    """The revision of each of these scans or reports; without those where it is damaged."""
    known = {document["_id"]: revision_of(document) for document in found}
    return {key: revision for key, revision in known.items() if revision}
