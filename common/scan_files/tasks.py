"""Scans in memory, and tasks that load them: of files or of any other source."""

from dataclasses import dataclass
from typing import Protocol

from common.domain.scan import BrainScan, Packing
from common.scan_files.accounts import Origin


@dataclass(frozen=True, slots=True)
class LoadedScan:
    """A scan in memory."""

    scan: BrainScan
    voxels: bytes | memoryview
    """``scan.voxels_bytes`` bytes, Fortran order, little-endian (a flat view of format ``B``); or,
    if compressed, the payload that ``packing`` describes."""
    packing: Packing | None = None
    """How the voxels are compressed; set by the sender."""
    origin: Origin | None = None
    """The file that it was read from; None: it is synthetic."""


class ScanTask(Protocol):
    """A scan that can be loaded. It is cheap to make and to keep; the sending thread calls
    ``load``, which does the work."""

    @property
    def label(self) -> str:
        """Names the scan to the user and in logs (file and volume, or series): no patient data."""

    def load(self) -> LoadedScan:
        """Read or make the scan.

        Raises:
            SourceError: it cannot become a scan; the text tells the user why, and what to do.
        """
