"""The analyzer of grids: each cell that is not zero is a lesion."""

from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.scan import BrainScan
from fr_brain.analyzers.base import Analysis, Overlay

_LIMITATIONS = (
    "Made for synthetic grids: a cell is a lesion when it is not zero, and each counts alone, "
    "however they touch.",
    "A grid is not placed in space: no volumes and no positions in mm.",
)


class GridAnalyzer:
    """Counts the lesion cells of a two-dimensional scan, exactly.

    A lesion cell is one that is not zero, whatever its value. An image that has not two axes, or
    cells that are no numbers, is of quality 'fail'.
    """

    name = "grid"
    version = "1"
    scan_types = frozenset({"grid"})
    priority = 0

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
        """Count the lesions.

        Args:
            scan: the header; the count does not hang on it.
            voxels: any dtype, two axes.
        """
        del scan
        if voxels.ndim != 2:
            return _unfit(f"A grid has two axes, this image has {voxels.ndim}.")
        if voxels.dtype.kind == "f":
            bad = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
            if bad:
                return _unfit(f"{bad} of {voxels.size} cells are not finite numbers.")
        return _counted(int(np.count_nonzero(voxels)))

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        """Count the lesions and offer an overlay that labels each lesion cell from 1.

        Args:
            scan: the header, which does not affect the count.
            voxels: any dtype, two axes.
        """
        findings = self.analyse(scan, voxels)
        return Analysis(findings, partial(_labelled, voxels, judged=findings.lesions is not None))


def _labelled(voxels: npt.NDArray[Any], *, judged: bool) -> Overlay:
    labels = np.zeros(voxels.shape, np.int32)
    if judged:
        cells = voxels != 0
        labels[cells] = np.arange(1, np.count_nonzero(cells) + 1)
    return Overlay(labels)


@lru_cache(
    maxsize=1024
)  # findings are frozen and few differ: building one costs more than counting
def _counted(lesions: int) -> Findings:
    return Findings(
        quality=Quality(verdict=Verdict.PASS),
        lesions=Lesions(count=lesions, voxels=lesions, volume_ml=None),
        limitations=_LIMITATIONS,
    )


def _unfit(reason: str) -> Findings:
    return Findings(
        quality=Quality(verdict=Verdict.FAIL, reasons=(reason,)),
        lesions=None,
        limitations=_LIMITATIONS,
    )
