"""Which T1 scan a FLAIR scan of the same study is read together with."""

from collections.abc import Iterable
from dataclasses import dataclass

from common.domain.findings import Findings, Verdict
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan

CONTRAST = "contrast"
"""The parameter in which an analyzer says how it read an image of a head."""
FLAIR, T1 = "flair", "t1"

_BEST_FIRST = (Verdict.PASS, Verdict.WARN)


@dataclass(frozen=True, slots=True)
class StudyMember:
    """An analysed scan of a study, as far as it matters to the choice."""

    scan: BrainScan
    """Its header."""
    contrast: str | None
    """How the analyzer read it."""
    analyzer: str
    """Name and version."""
    verdict: str
    has_maps: bool
    """Whether label maps are stored with its report."""
    t1_scan: str | None = None
    """Id of the T1 scan that its report names."""

    @property
    def rank(self) -> tuple[int, float, str]:
        """The place of a T1 scan among others, the best one first: by quality, then by the longest
        edge of its voxels, then by its id."""
        quality = [str(one) for one in _BEST_FIRST].index(self.verdict)
        return quality, max(self.scan.voxel_size_mm or (float("inf"),)), self.scan.scan_id


def is_of_pair(report: BrainReport) -> bool:
    """Whether a report is on a FLAIR or T1 scan of a study, and not a failed one; or may replace
    one that was."""
    findings = report.findings
    if report.study is None or not isinstance(findings, Findings):
        return False
    return report.revision > 1 or (
        findings.quality.verdict is not Verdict.FAIL
        and findings.parameters.get(CONTRAST) in (FLAIR, T1)
    )


def t1_scans_for(
    flair: BrainScan, analyzer: AnalyzerId, members: Iterable[StudyMember]
) -> list[StudyMember]:
    """The T1 scans that a FLAIR scan can be read together with, the best one first.

    Both are of the same study of the same subject, from the same Fr-PACS, and were read by the same
    version of the analyzer; the report on the T1 scan has not failed, and has label maps.

    Args:
        flair: the header of the FLAIR scan.
        analyzer: that reads it.
        members: analysed scans, of this study or others.
    """
    found = _t1_scans(flair, f"{analyzer.name} {analyzer.version}", members)
    return sorted((one for one in found if one.has_maps), key=lambda one: one.rank)


def better_t1(flair: StudyMember, members: Iterable[StudyMember]) -> StudyMember | None:
    """The T1 scan that an analysed FLAIR scan should have been read together with; None if its
    report names that one, or a better one whose label maps are gone by now, or there is none."""
    if flair.contrast != FLAIR:
        return None
    others = _t1_scans(flair.scan, flair.analyzer, members)
    fitting = [one for one in others if one.has_maps]
    best = min(fitting, key=lambda one: one.rank, default=None)
    named = next((one for one in others if one.scan.scan_id == flair.t1_scan), None)
    if best is None or (named is not None and named.rank <= best.rank):
        return None
    return best


def _t1_scans(flair: BrainScan, analyzer: str, members: Iterable[StudyMember]) -> list[StudyMember]:
    mine = (flair.pacs, flair.study, flair.subject)
    return [
        one
        for one in members
        if one.contrast == T1
        and one.analyzer == analyzer
        and one.verdict in _BEST_FIRST
        and (one.scan.pacs, one.scan.study, one.scan.subject) == mine
    ]
