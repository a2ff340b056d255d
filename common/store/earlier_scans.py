"""Earlier scans of a subject, with their reports and label maps, for Fr-BRAIN."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from common.domain.previous_scan import is_before, latest_first
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
_AT_ONCE = 10
"""Reports that are read at once, those of the latest scans before."""

_MAY_BE_REPORTED = [str(state) for state in ReportGenerated if state is not ReportGenerated.ERROR]


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
        before = self._before(scan)
        for start in range(0, len(before), _AT_ONCE):
            some = {one.key: one for one in before[start : start + _AT_ONCE]}
            for report in self._reports.of(source_of(scan), [*some]):
                one = some.get(report.key)  # a damaged report may name another scan
                if one is not None and accepts(report):
                    return OtherScan(one, report)
        return None

    def _before(self, scan: BrainScan) -> list[BrainScan]:
        """The scans before, the latest first."""
        found = [one for document in self._of_subject(scan) for one in _header(document)]
        return latest_first(one for one in found if is_before(one, scan))

    @translated
    def _of_subject(self, scan: BrainScan) -> list[Document]:
        return scans_of_subject(self._db.scans, scan, {"scan": 1})


def scans_of_subject(
    scans: Any, scan: BrainScan, fields: Document, these: Sequence[str] = ()
) -> list[Document]:
    """The latest received scans of a scan's subject that are of the same type, came from the same
    Fr-PACS, and may have a report: they were claimed at least once, and have not failed. A report
    counts before its scan is ``'Done'``.

    Args:
        scans: the collection, with the read concern that the caller needs.
        scan: the header of the scan.
        fields: what to return of each.
        these: keys of scans that have a report, whatever their states.
    """
    wanted = {
        "scan.subject": scan.subject,
        "scan.pacs": scan.pacs,
        "scan.scan_type": scan.scan_type,
        "$or": [
            {"report_generated": {"$in": _MAY_BE_REPORTED}, "fence": {"$gt": 0}},
            {"_id": {"$in": [*these]}},
        ],
    }
    return find(scans, wanted, fields, sort=list(NEWEST_FIRST), limit=_SCANS_MAX, hint=SUBJECT)


def _header(document: Document) -> list[BrainScan]:
    try:
        return [BrainScan.stored(document.get("scan"))]
    except (ValidationError, TypeError):
        return []  # damaged, or by a newer release
