"""The built-in analyzer of grids: each cell that is not zero is a lesion."""

from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.scan import BrainScan
from fr_brain.analyzers.base import Analysis, Overlay

_LIMITATIONS = (
    "For synthetic grids: every cell that is not zero is a separate lesion, even if it touches "
    "another.",
    "A grid has no position in space, so there are no volumes and no positions in mm.",
)


class GridAnalyzer:
    """Counts the cells of a two-dimensional scan that are not zero, exactly.

    An image that does not have two axes, or has cells that are not finite numbers, gets quality
    'fail'.
    """

    name = "grid"
    version = "1"
    scan_types = frozenset({"grid"})
    priority = 0

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
        """Count the lesions.

        Args:
            scan: the header, which does not affect the count.
            voxels: any dtype, two axes.
        """
        del scan
        if voxels.ndim != 2:
            return _withheld(f"A grid has two axes; this image has {voxels.ndim}.")
        if voxels.dtype.kind == "f":
            bad = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
            if bad:
                return _withheld(f"{bad} of {voxels.size} cells are not finite numbers.")
        return _counted(int(np.count_nonzero(voxels)))

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        """Count the lesions and offer an overlay that labels each lesion cell from 1.

        Args:
            scan: the header, which does not affect the count.
            voxels: any dtype, two axes.
        """
        findings = self.analyse(scan, voxels)
        return Analysis(findings, partial(_labelled, voxels, found=findings.lesions is not None))


def _labelled(voxels: npt.NDArray[Any], *, found: bool) -> Overlay:
    labels = np.zeros(voxels.shape, np.int32)
    if found:
        cells = voxels != 0
        labels[cells] = np.arange(1, np.count_nonzero(cells) + 1)
    return Overlay(labels)


# Findings are frozen and few differ; to build one costs more than to count.
@lru_cache(maxsize=1024)
def _counted(lesions: int) -> Findings:
    return Findings(
        quality=Quality(verdict=Verdict.PASS),
        lesions=Lesions(count=lesions, voxels=lesions, volume_ml=None),
        limitations=_LIMITATIONS,
    )


def _withheld(reason: str) -> Findings:
    return Findings(
        quality=Quality(verdict=Verdict.FAIL, reasons=(reason,)),
        lesions=None,
        limitations=_LIMITATIONS,
    )
