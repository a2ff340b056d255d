"""Which scan of a subject an analysed scan should have been compared with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.domain.findings import Findings
from common.domain.report import BrainReport
from common.domain.scan import BrainScan

_APART = timedelta(hours=12)
"""Scans nearer to each other are of one examination."""


@dataclass(frozen=True, slots=True)
class SubjectMember:
    """An analysed scan of a subject, as far as it matters to the choice."""

    scan: BrainScan
    """Its header."""
    contrast: str | None
    """How the analyzer read it, if it says so."""
    analyzer: str
    """Name and version."""
    has_lesions: bool
    """Whether its report lists lesions, or says that there are none."""
    has_maps: bool
    """Whether label maps are stored with its report."""
    previous_scan: str | None = None
    """Id of the scan that its report compares it with."""
    previous_acquired_at: datetime | None = None

    def is_like(self, other: "SubjectMember") -> bool:
        """Whether the two can be compared, as far as their reports tell."""
        return (
            self.has_lesions
            and other.has_lesions
            and (self.contrast, self.analyzer) == (other.contrast, other.analyzer)
        )


def is_before(earlier: BrainScan, scan: BrainScan) -> bool:
    """Whether a scan was acquired before another one, in another examination."""
    if earlier.acquired_at is None or scan.acquired_at is None:
        return False
    # Not their sum: the first day of year 1, as some devices write it, has none before.
    return scan.acquired_at - earlier.acquired_at >= _APART and (
        earlier.study is None or earlier.study != scan.study
    )


def latest_first(scans: Iterable[BrainScan]) -> list[BrainScan]:
    """The scans whose time of acquisition is known, the latest first."""
    known = [(one.acquired_at, one.key, one) for one in scans if one.acquired_at is not None]
    return [one for _, _, one in sorted(known, key=lambda item: item[:2], reverse=True)]


def can_be_compared(report: BrainReport) -> bool:
    """Whether a report is on a scan that may have a previous one, or be one."""
    findings = report.findings
    return (
        report.subject is not None
        and report.acquired_at is not None
        and isinstance(findings, Findings)
        and findings.lesions is not None
    )


def better_previous(later: SubjectMember, members: Iterable[SubjectMember]) -> SubjectMember | None:
    """The scan that an analysed scan should have been compared with: the latest one before it; None
    if its report names that one, or one as late, or there is none.

    Args:
        later: the analysed scan.
        members: analysed scans of the same subject from the same Fr-PACS, of the same type.
    """
    others = {
        one.scan.key: one
        for one in members
        if one.has_maps and one.is_like(later) and is_before(one.scan, later.scan)
    }
    latest = latest_first(one.scan for one in others.values())[:1]
    if not latest or latest[0].scan_id == later.previous_scan:
        return None
    [best] = latest
    if later.previous_acquired_at is not None and best.acquired_at is not None:
        # The one that it was compared with may be erased by now.
        return others[best.key] if best.acquired_at > later.previous_acquired_at else None
    return others[best.key]
