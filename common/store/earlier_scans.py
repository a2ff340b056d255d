"""Earlier scans of a subject, with their reports and label maps, for Fr-BRAIN."""

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import ValidationError

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.other_scans import OtherScan, OtherScans, source_of
from common.store.schema import NEWEST_FIRST, SUBJECT

_SCANS_MAX = 200
"""Scans of a subject that are looked at, the latest received ones."""
_REPORTS_MAX = 10
"""Reports that are looked at, those of the latest scans before."""
_APART = timedelta(hours=12)
"""Scans nearer to each other are of one examination."""


class EarlierScans(OtherScans):
    """Finds earlier scans."""

    def latest_before(
        self, scan: BrainScan, accepts: Callable[[BrainReport], bool]
    ) -> OtherScan | None:
        """The latest scan of the same subject that was acquired before this one, in another
        examination; None if there is none, or it is not known when this one was acquired.

        Args:
            scan: the header.
            accepts: whether a report will do.
        """
        if scan.subject is None or scan.acquired_at is None:
            return None
        before = self._before(scan, scan.acquired_at)[:_REPORTS_MAX]
        reports = {
            one.key: one for one in self._reports.of(source_of(scan), [one.key for one in before])
        }
        for one in before:
            report = reports.get(one.key)
            if report is not None and accepts(report):
                return OtherScan(one, report)
        return None

    def _before(self, scan: BrainScan, acquired_at: datetime) -> list[BrainScan]:
        """The scans before, the latest first."""
        found = [one for document in self._of_subject(scan) for one in _header(document)]
        before = [
            (one.acquired_at, one.key, one)
            for one in found
            if one.acquired_at is not None
            # Not their sum: the first day of year 1, as some devices write it, has none before.
            and acquired_at - one.acquired_at >= _APART
            and (one.study is None or one.study != scan.study)
        ]
        return [one for _, _, one in sorted(before, key=lambda item: item[:2], reverse=True)]

    @translated
    def _of_subject(self, scan: BrainScan) -> list[Document]:
        wanted = {
            "scan.subject": scan.subject,
            "scan.pacs": scan.pacs,
            "scan.scan_type": scan.scan_type,
            "report_generated": str(ReportGenerated.DONE),
        }
        return find(
            self._db.scans,
            wanted,
            {"scan": 1},
            sort=list(NEWEST_FIRST),
            limit=_SCANS_MAX,
            hint=SUBJECT,
        )


def _header(document: Document) -> list[BrainScan]:
    try:
        return [BrainScan.stored(document.get("scan"))]
    except (ValidationError, TypeError):
        return []  # damaged, or by a newer release
