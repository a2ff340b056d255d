"""Earlier scans of a subject, with their reports and label maps, for Fr-BRAIN."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.tenant import Tenant
from common.domain.types import Document
from common.errors import VoxelsDamaged
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.labels import CurrentLabels
from common.store.report_reader import CurrentReports
from common.store.schema import NEWEST_FIRST, SUBJECT

_SCANS_MAX = 200
"""Scans of a subject that are looked at, the latest received ones."""
_REPORTS_MAX = 10
"""Reports that are looked at, those of the latest scans before."""
_APART = timedelta(hours=12)
"""Scans nearer to each other are of one examination."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier scan and its current report."""

    scan: BrainScan
    report: BrainReport


class EarlierScans:
    """Finds earlier scans of the same subject from the same Fr-PACS: a pseudonym is one of its
    own."""

    def __init__(
        self, connection: Connection, reports: CurrentReports, labels: CurrentLabels
    ) -> None:
        self._db = connection
        self._reports = reports
        self._labels = labels

    def latest_before(
        self, scan: BrainScan, accepts: Callable[[BrainReport], bool]
    ) -> Earlier | None:
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
            one.key: one for one in self._reports.of(_source(scan), [one.key for one in before])
        }
        for one in before:
            report = reports.get(one.key)
            if report is not None and accepts(report):
                return Earlier(one, report)
        return None

    def labels(self, earlier: Earlier, names: tuple[str, ...]) -> dict[str, bytes]:
        """Label maps of an earlier scan by name, those that are stored: a byte for each voxel in
        Fortran order.

        Raises:
            VoxelsDamaged: they are not those that the report names.
        """
        stored = self._labels.current(_source(earlier.scan), earlier.scan.key)
        if stored is None or stored.revision != earlier.report.revision:
            return {}  # it was read again meanwhile
        found = {}
        for name in names:
            one = stored.named(name)
            if one is not None:
                found[name] = b"".join(self._labels.read(stored, one))
                if len(found[name]) * earlier.scan.voxel_bytes != earlier.scan.voxels_bytes:
                    raise VoxelsDamaged("a label map has another size than its scan")
        return found

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


def _source(scan: BrainScan) -> Tenant:
    """Whoever owns the scans of this Fr-PACS, and no others."""
    return Tenant("", frozenset({scan.pacs}), frozenset())


def _header(document: Document) -> list[BrainScan]:
    try:
        return [BrainScan.stored(document.get("scan"))]
    except (ValidationError, TypeError):
        return []  # damaged, or by a newer release
