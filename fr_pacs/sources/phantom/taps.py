"""Resampling along one axis: which cells of the template a voxel covers, with what weights."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Float64Array

UInt16Array = npt.NDArray[np.uint16]
Int64Array = npt.NDArray[np.int64]

STEPS = 16
"""Weights of a voxel's cells are integers that sum to this, so that three axes fill 16 bits."""
_FINE = 256  # positions are rounded to this share of a cell, so that the rest is integer arithmetic


@dataclass(frozen=True, slots=True)
class Taps:
    """Cells and their weights: arrays (lines, taps, voxels)."""

    cells: Int64Array
    """Indices of cells, ascending along taps and voxels."""
    weights: UInt16Array
    """They sum to ``STEPS`` along the taps."""

    def reach(self, line: int, low: int, high: int) -> slice:
        """The voxels that cover any of the cells ``low`` to ``high - 1``."""
        first = int(self.cells[line, -1].searchsorted(low))
        return slice(first, max(first, int(self.cells[line, 0].searchsorted(high))))


def make_taps(middles: Float64Array, width: float, cells: int) -> Taps:
    """Compute which cells each voxel covers; beyond the ends, the outermost cell is repeated.

    Args:
        middles: centres of the voxels (lines, voxels), in cells: the centre of cell 0 is 0.
        width: of a voxel, in cells; it covers at least one.
        cells: the number of cells.
    """
    across = max(_FINE, round(width * _FINE))
    count = math.ceil(across / _FINE) + 1
    low = np.rint(middles * _FINE).astype(np.int64) + (_FINE - across) // 2
    first = low // _FINE
    index = np.empty((len(middles), count, middles.shape[1]), np.int64)
    weights = np.empty(index.shape, np.uint16)
    before: Int64Array | int = 0
    rest = first * _FINE - low
    for tap in range(count):
        np.clip(first + tap, 0, cells - 1, out=index[:, tap])
        # The end of each cell is rounded, not its weight, so that the sum stays exact.
        end = ((rest + (tap + 1) * _FINE) * (2 * STEPS) + across) // (2 * across)
        end = np.minimum(end, STEPS) if tap < count - 1 else np.full_like(end, STEPS)
        weights[:, tap] = end - before
        before = end
    return Taps(index, weights)
