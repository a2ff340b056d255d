"""Compares a scan with the subject's previous one, where its analyzer can."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from tenacity import Retrying

from common.domain.finding_kinds import AnyFindings
from common.domain.findings import Findings
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.errors import StoreUnavailable, VoxelsDamaged
from common.runtime.logger import RateLimitedLog
from common.store.earlier_scans import Earlier, EarlierScans
from fr_brain.analyzers.base import Analysis, EarlierScan
from fr_brain.findings_check import checked_findings

CONTRAST = "contrast"
"""The parameter of findings that must be the same in both scans, if the analyzer gives it."""


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
            maps = self._maps(earlier, analysis.compares)
            changes = analysis.follow_up(EarlierScan(earlier.scan, earlier.report, maps))
            return checked_findings(findings.model_copy(update={"follow_up": changes}))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - see above; also if the memory does not suffice
            cause = type(error).__name__
            self._log.warning("no comparison with the previous scan", scan_id=scan.key, cause=cause)
            return findings

    def _maps(
        self, earlier: Earlier, names: tuple[str, ...]
    ) -> Mapping[str, npt.NDArray[np.uint8]]:
        try:
            stored = self._retry(self._earlier_scans.labels, earlier, names)
        except VoxelsDamaged:
            return {}  # as if there were none
        return {
            name: np.frombuffer(labels, np.uint8).reshape(earlier.scan.shape, order="F")
            for name, labels in stored.items()
        }


def _like(findings: Findings, analyzer: AnalyzerId) -> Callable[[BrainReport], bool]:
    """Says of a report whether it can be compared with these findings."""

    def is_like(report: BrainReport) -> bool:
        before = report.findings
        return (
            report.analyzer == analyzer
            and isinstance(before, Findings)
            and before.lesions is not None
            and before.parameters.get(CONTRAST) == findings.parameters.get(CONTRAST)
        )

    return is_like
