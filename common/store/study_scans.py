"""The T1 scan of a FLAIR scan's study, with its report and label maps, for Fr-BRAIN."""

from common.domain.report import AnalyzerId
from common.domain.scan import BrainScan
from common.domain.study_pairs import t1_scans_for
from common.store.connection import Connection
from common.store.labels import CurrentLabels
from common.store.other_scans import OtherScan, OtherScans, source_of
from common.store.report_reader import CurrentReports
from common.store.study_members import StudyMembers

_T1_SCANS = 3


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

    def t1_scans_for(self, flair: BrainScan, analyzer: AnalyzerId) -> list[OtherScan]:
        """The T1 scans that a FLAIR scan can be read together with, the best one first, at most
        three (``study_pairs.t1_scans_for``); none if the FLAIR scan is of no study.

        Args:
            flair: the header of the FLAIR scan.
            analyzer: that reads it.
        """
        if flair.study is None:
            return []
        members = [one.member for one in self._members.of([flair.study])]
        found = {
            one.scan.key: one.scan for one in t1_scans_for(flair, analyzer, members)[:_T1_SCANS]
        }
        if not found:
            return []
        reports = self._reports.of(source_of(flair), [*found])
        # Without those that were read again meanwhile.
        return [OtherScan(found[one.key], one) for one in reports if one.analyzer == analyzer]
