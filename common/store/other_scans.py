"""What is stored of another scan of the same subject, for Fr-BRAIN: header, report, label maps."""

from dataclasses import dataclass

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.tenant import Tenant
from common.errors import VoxelsDamaged
from common.store.connection import Connection
from common.store.labels import CurrentLabels
from common.store.report_reader import CurrentReports


@dataclass(frozen=True, slots=True)
class OtherScan:
    """Another scan and its current report."""

    scan: BrainScan
    report: BrainReport


class OtherScans:
    """Finds other scans of the same subject from the same Fr-PACS: a pseudonym is one of its
    own."""

    def __init__(
        self, connection: Connection, reports: CurrentReports, labels: CurrentLabels
    ) -> None:
        self._db = connection
        self._reports = reports
        self._labels = labels

    def labels(self, other: OtherScan, names: tuple[str, ...]) -> dict[str, bytes]:
        """Label maps of another scan by name, those that are stored: a byte for each voxel in
        Fortran order.

        Raises:
            VoxelsDamaged: they are not those that the report names.
        """
        stored = self._labels.current(source_of(other.scan), other.scan.key)
        if stored is None or stored.revision != other.report.revision:
            return {}  # it was read again meanwhile
        found = {}
        for name in names:
            one = stored.named(name)
            if one is not None:
                found[name] = b"".join(self._labels.read(stored, one))
                if len(found[name]) * other.scan.voxel_bytes != other.scan.voxels_bytes:
                    raise VoxelsDamaged("a label map has another size than its scan")
        return found


def source_of(scan: BrainScan) -> Tenant:
    """Whoever owns the scans of this Fr-PACS, and no others."""
    return Tenant("", frozenset({scan.pacs}), frozenset())
