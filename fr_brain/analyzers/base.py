"""The interface of an analyzer: array and header in, findings out; no I/O, no state kept."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

from common.domain.findings import Findings
from common.domain.scan import BrainScan


@dataclass(frozen=True)
class Overlay:
    """Where in a scan the lesions are, for its picture."""

    lesions: npt.NDArray[Any]
    """Integers, of the scan's shape: 0, or the ``id`` of the lesion that a voxel belongs to."""
    brain: npt.NDArray[Any] | None = None
    """Booleans, of the scan's shape; none: not told apart."""


@runtime_checkable
class Outlining(Protocol):
    """An analyzer that can say where its lesions are; one that cannot has them marked by
    circles."""

    def overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Overlay:
        """The lesions that ``analyse`` reports of the same scan, as many labels as lesions; all
        0 where the image cannot be judged."""


class Analyzer(Protocol):
    """One way of reading a type of scan. Other packages bring theirs by entry point
    (group ``fr_brain.analyzers``, the value a class with no arguments)."""

    @property
    def name(self) -> str:
        """Recorded in each report."""

    @property
    def version(self) -> str:
        """Recorded in each report; grows when the same scan would give another result."""

    @property
    def scan_types(self) -> frozenset[str]:
        """The scan types that it takes."""

    @property
    def priority(self) -> int:
        """Of several that take a type the highest is used; those of this package have 0."""

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
        """Read one scan.

        Args:
            scan: its header.
            voxels: array of ``scan.shape`` and ``scan.dtype``, Fortran order, read-only.

        An image that cannot be judged (empty, constant, NaN) is no error: it gets findings of
        quality 'fail' with the reasons.

        Raises:
            Exception: whatever went wrong; the scan is tried again, then set aside as 'Error'.
        """
