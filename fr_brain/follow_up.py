"""Compares a scan with the subject's previous one, where its analyzer can."""

from collections.abc import Callable

from tenacity import Retrying

from common.domain.finding_kinds import AnyFindings
from common.domain.findings import Findings
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.study_pairs import CONTRAST
from common.errors import StoreUnavailable
from common.runtime.logger import RateLimitedLog
from common.store.earlier_scans import EarlierScans
from fr_brain.analyzers.base import Analysis, EarlierScan
from fr_brain.findings_check import checked_findings
from fr_brain.other_maps import maps_of


class FollowUps:
    """Adds to findings what changed since the previous scan.

    Args:
        earlier_scans: where earlier scans are found.
        retry: repeats a call to the store while MongoDB is unreachable.
        log: where it is told that a comparison failed.
    """

    def __init__(self, earlier_scans: EarlierScans, retry: Retrying, log: RateLimitedLog) -> None:
        self._earlier_scans = earlier_scans
        self._retry = retry
        self._log = log

    def added(
        self, findings: AnyFindings, analysis: Analysis, scan: BrainScan, analyzer: AnalyzerId
    ) -> AnyFindings:
        """The findings with the changes since the latest scan of the subject that the same version
        of the analyzer read as the same contrast; unchanged if there is none.

        A report without a comparison is just as valid, so no failure of one ends the analysis.

        Args:
            findings: of the scan, checked.
            analysis: that made them.
            scan: the header.
            analyzer: that made them.

        Raises:
            StoreUnavailable: MongoDB was unreachable until the processor was told to stop.
        """
        if analysis.follow_up is None or not isinstance(findings, Findings) or not findings.lesions:
            return findings
        if scan.subject is None or scan.acquired_at is None:
            return findings
        try:
            earlier = self._retry(
                self._earlier_scans.latest_before, scan, _like(findings, analyzer)
            )
            if earlier is None:
                return findings
            maps = maps_of(self._earlier_scans, self._retry, earlier, analysis.compares)
            changes = analysis.follow_up(EarlierScan(earlier.scan, earlier.report, maps))
            return checked_findings(findings.model_copy(update={"follow_up": changes}))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - see above; also if the memory does not suffice
            cause = type(error).__name__
            self._log.warning("no comparison with the previous scan", scan_id=scan.key, cause=cause)
            return findings


def _like(findings: Findings, analyzer: AnalyzerId) -> Callable[[BrainReport], bool]:
    """Says of a report whether it can be compared with these findings: it is by the same analyzer,
    which read the same contrast, if it says which."""

    def is_like(report: BrainReport) -> bool:
        before = report.findings
        return (
            report.analyzer == analyzer
            and isinstance(before, Findings)
            and before.lesions is not None
            and before.parameters.get(CONTRAST) == findings.parameters.get(CONTRAST)
        )

    return is_like
