"""Which cells of the template each voxel covers along an axis."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Doubles

Shorts = npt.NDArray[np.uint16]
Wholes = npt.NDArray[np.int64]

STEPS = 16
"""Weights of a voxel's cells are whole and sum to this, so that three axes fill 16 bits."""
_FINE = 256  # places are rounded to this share of a cell: all that follows is whole numbers


@dataclass(frozen=True, slots=True)
class Taps:
    """Cells and weights: lines x taps x voxels."""

    cells: Wholes
    """Ascending along the taps and the voxels."""
    weights: Shorts
    """Sums to ``STEPS`` along the taps."""

    def reach(self, line: int, low: int, high: int) -> slice:
        """The voxels that cover any of the cells ``low`` to ``high - 1``."""
        first = int(self.cells[line, -1].searchsorted(low))
        return slice(first, max(first, int(self.cells[line, 0].searchsorted(high))))


def make_taps(middles: Doubles, width: float, cells: int) -> Taps:
    """Where voxels lie and what they cover; beyond the ends the outermost cell goes on.

    Args:
        middles: of the voxels, lines x voxels, in cells: the middle of cell 0 is 0.
        width: of a voxel, in cells; it covers at least one.
        cells: how many there are.
    """
    across = max(_FINE, round(width * _FINE))
    count = math.ceil(across / _FINE) + 1
    low = np.rint(middles * _FINE).astype(np.int64) + (_FINE - across) // 2
    first = low // _FINE
    index = np.empty((len(middles), count, middles.shape[1]), np.int64)
    weights = np.empty(index.shape, np.uint16)
    before: Wholes | int = 0
    rest = first * _FINE - low
    for tap in range(count):
        np.clip(first + tap, 0, cells - 1, out=index[:, tap])
        # Rounded where the cell ends, not what it covers: so the sum is kept.
        end = ((rest + (tap + 1) * _FINE) * (2 * STEPS) + across) // (2 * across)
        end = np.minimum(end, STEPS) if tap < count - 1 else np.full_like(end, STEPS)
        weights[:, tap] = end - before
        before = end
    return Taps(index, weights)
