"""The T1 scan of a FLAIR scan's study, with its report and label maps, for Fr-BRAIN."""

from common.domain.report import AnalyzerId
from common.domain.scan import BrainScan
from common.domain.study_pairs import best_t1
from common.store.connection import Connection
from common.store.labels import CurrentLabels
from common.store.other_scans import OtherScan, OtherScans, source_of
from common.store.report_reader import CurrentReports
from common.store.study_members import StudyMembers


class StudyScans(OtherScans):
    """Finds other scans of a study."""

    def __init__(
        self,
        connection: Connection,
        reports: CurrentReports,
        labels: CurrentLabels,
        members: StudyMembers,
    ) -> None:
        super().__init__(connection, reports, labels)
        self._members = members

    def t1_of(self, flair: BrainScan, analyzer: AnalyzerId) -> OtherScan | None:
        """The T1 scan that a FLAIR scan is read together with (``best_t1``); None if there is none,
        or the FLAIR scan is of no study.

        Args:
            flair: the header of the FLAIR scan.
            analyzer: that reads it.
        """
        if flair.study is None:
            return None
        found = best_t1(flair, analyzer, [one.member for one in self._members.of([flair.study])])
        if found is None:
            return None
        reports = self._reports.of(source_of(found.scan), [found.scan.key])
        if not reports or reports[0].analyzer != analyzer:
            return None  # it was read again meanwhile
        return OtherScan(found.scan, reports[0])
