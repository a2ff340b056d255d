"""Reads a FLAIR scan together with the T1 scan of its study, where its analyzer can."""

from tenacity import Retrying

from common.domain.finding_kinds import AnyFindings
from common.domain.findings import Findings
from common.domain.report import AnalyzerId
from common.domain.scan import BrainScan
from common.errors import StoreUnavailable
from common.runtime.logger import RateLimitedLog
from common.store.study_scans import StudyScans
from fr_brain.analyzers.base import AnalysedScan, Analysis
from fr_brain.findings_check import checked_findings
from fr_brain.other_maps import maps_of


class T1Readings:
    """Adds to the findings of a FLAIR scan what it shows together with a T1 scan.

    Args:
        study_scans: where the T1 scan is found.
        retry: repeats a call to the store while MongoDB is unreachable.
        log: where it is told that two scans could not be read together.
    """

    def __init__(self, study_scans: StudyScans, retry: Retrying, log: RateLimitedLog) -> None:
        self._study_scans = study_scans
        self._retry = retry
        self._log = log

    def added(
        self, findings: AnyFindings, analysis: Analysis, scan: BrainScan, analyzer: AnalyzerId
    ) -> AnyFindings:
        """The findings with what the best T1 scan of the study adds whose label maps can be read
        (``StudyScans.t1_scans_for``); unchanged if there is none by now. One that comes later makes
        a new revision of the report.

        A report without it is just as valid, so no failure here ends the analysis.

        Args:
            findings: of the scan, checked.
            analysis: that made them.
            scan: the header.
            analyzer: that made them.

        Raises:
            StoreUnavailable: MongoDB was unreachable until the processor was told to stop.
        """
        if analysis.with_t1 is None or scan.study is None:
            return findings
        if not isinstance(findings, Findings) or findings.lesions is None:
            return findings
        try:
            for t1 in self._retry(self._study_scans.t1_scans_for, scan, analyzer):
                maps = maps_of(self._study_scans, self._retry, t1, analysis.compares)
                if not set(analysis.compares) <= maps.keys():
                    # Read again meanwhile, or damaged: another reading may find them.
                    self._not_read(scan, "its label maps are damaged, or not stored any more")
                    continue
                read = analysis.with_t1(AnalysedScan(t1.scan, t1.report, maps))
                return checked_findings(findings.model_copy(update={"with_t1": read}))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - see above; also if the memory does not suffice
            self._not_read(scan, type(error).__name__)
        return findings

    def _not_read(self, scan: BrainScan, cause: str) -> None:
        self._log.warning("not read together with its T1 scan", scan_id=scan.key, cause=cause)
