"""The bias field: fitted on coarse blocks, evened out plane by plane.

A quadratic in the position is fitted to the field's reciprocal, which is linear in its weights
and costs two passes a plane; N4 (Tustison 2010) bends more and takes a hundred times as long.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, CoarseImage, Floats
from fr_brain.analyzers.volume.masks import CoarseMasks

Doubles = npt.NDArray[np.float64]

_BLOCKS_MAX = 3000  # more do not move ten weights
_BLOCKS_MIN = 200
_RIM_MM = 4.0  # shallower blocks are mixed with fluid
_DEEP_MM = 10.0
# Shares of white matter within which a deep block is taken for it, round by round: wide while the
# field is still in, narrow enough in the end to leave out grey matter.
_WINDOWS = (0.25, 0.15, 0.1, 0.1)
_CORTEX_WINDOWS = (0.1, 0.07, 0.07)
FIELD_MAX = 2.5  # a fit that bends more has followed anatomy


@dataclass(frozen=True)
class BiasField:
    """What intensities are multiplied by so that white matter becomes 1 everywhere."""

    weights: Doubles
    """Of 1, z, y, x, zz, yy, xx, yx, zy, zx; positions go from -1 to 1 across the volume."""
    inu_percent: float | None
    """Range of the field over the brain, BrainWeb's way: 20 is 0.90 to 1.10; none if no fit was
    plausible and the field is left as it is."""
    grey: float | None = None
    """Most frequent intensity of shallow blocks over that of white matter; none if not fitted."""

    def planes(self, shape: tuple[int, int, int], box: tuple[slice, slice, slice]) -> "FieldPlanes":
        """The field on the voxels of ``box`` in a volume of ``shape``."""
        z, y, x = (np.linspace(-1, 1, n)[part] for n, part in zip(shape, box, strict=True))
        return self._over(z, y, x)

    def _over(self, z: Doubles, y: Doubles, x: Doubles) -> "FieldPlanes":
        w = self.weights
        flat = (w[0] + w[2] * y + w[5] * y * y)[:, None] + (w[3] * x + w[6] * x * x)[None, :]
        flat = flat + w[7] * y[:, None] * x[None, :]
        slope = (w[8] * y)[:, None] + (w[9] * x)[None, :]
        rise = w[1] * z + w[4] * z * z
        return FieldPlanes(
            z.astype(np.float32),
            rise.astype(np.float32),
            flat.astype(np.float32),
            slope.astype(np.float32),
        )

    def on_blocks(self, coarse: CoarseImage, shape: tuple[int, int, int]) -> Floats:
        """The field at the blocks' centres."""
        axes = []
        for blocks, factor, voxels in zip(coarse.mean.shape, coarse.factor, shape, strict=True):
            first = np.arange(blocks) * factor
            axes.append((first + np.minimum(first + factor, voxels) - 1) / (voxels - 1) - 1)
        return self._over(*axes).at(0, coarse.mean.shape[0])


@dataclass(frozen=True)
class FieldPlanes:
    """A field on a box of voxels."""

    z: Floats
    rise: Floats
    flat: Floats
    slope: Floats

    def at(self, first: int, last: int) -> Floats:
        """Planes ``first`` to ``last`` of the box: planes x rows x columns."""
        field = self.z[first:last, None, None] * self.slope
        field += self.flat
        field += self.rise[first:last, None, None]
        return field


def fit_field(coarse: CoarseImage, masks: CoarseMasks, shape: tuple[int, int, int]) -> BiasField:
    """Fit on blocks of the brain's tissue: first deep ones of the most frequent intensity, white
    matter; then with the cortex as a second class, or the field would be a guess out there."""
    where = np.nonzero(masks.brain & (masks.depth > _RIM_MM) & (coarse.mean > masks.tissue_level))
    every = max(1, len(where[0]) // _BLOCKS_MAX)
    blocks = tuple(axis[::every] for axis in where)
    values = coarse.mean[blocks].astype(np.float64)
    deep = masks.depth[blocks] > _DEEP_MM
    if np.count_nonzero(deep) < _BLOCKS_MIN:
        # Too little depth to fit on: one factor for all.
        return BiasField(_constant(_mode(coarse.mean[masks.brain].astype(np.float64))), 0.0)
    positions = _positions(blocks, coarse, shape)
    middle = _mode(values[deep])
    weights = _constant(middle)
    for window in _WINDOWS:
        weights = weights / _mode((positions[deep] @ weights) * values[deep])
        normalized = (positions @ weights) * values
        weights = _refit(weights, positions, values, deep & (np.abs(normalized - 1) < window))
    cortex = 1.0
    for window in _CORTEX_WINDOWS:
        normalized = (positions @ weights) * values
        cortex = _mode(normalized[~deep])
        of_cortex = np.abs(normalized - cortex) < np.abs(normalized - 1)
        level = np.where(of_cortex, cortex, 1.0)
        chosen = np.abs(normalized / level - 1) < window
        weights = _refit(weights, positions, values / level, chosen)
    reciprocal = positions @ weights * middle
    low, high = float(reciprocal.min()), float(reciprocal.max())
    if not 1 / FIELD_MAX < low <= high < FIELD_MAX:
        return BiasField(_constant(middle), None)
    inu = 200 * (high - low) / (high + low)
    return BiasField(weights / _mode((positions[deep] @ weights) * values[deep]), inu, cortex)


def _refit(weights: Doubles, positions: Doubles, values: Doubles, chosen: Bools) -> Doubles:
    """Weights that bring the chosen values nearest to 1.

    A slight pull to the old weights keeps a direction in which the brain is thin from running
    away.
    """
    design = positions[chosen] * values[chosen, None]
    pull = 1e-4 * float((values**2).sum())
    normal = design.T @ design + pull * np.eye(10)
    return np.asarray(np.linalg.solve(normal, design.sum(axis=0) + pull * weights))


def _constant(middle: float) -> Doubles:
    return np.array([1 / middle] + [0.0] * 9)


def _positions(
    blocks: tuple[npt.NDArray[np.intp], ...], coarse: CoarseImage, shape: tuple[int, int, int]
) -> Doubles:
    """The ten terms of the quadratic at the blocks' centres."""
    axes = []
    for index, factor, voxels in zip(blocks, coarse.factor, shape, strict=True):
        first = index * factor
        last = np.minimum(first + factor, voxels) - 1
        axes.append((first + last) / (voxels - 1) - 1)
    return quadratic_terms(axes)


def quadratic_terms(axes: list[Doubles]) -> Doubles:
    """The ten terms of the quadratic at positions along z, y, x from -1 to 1: points x 10."""
    z, y, x = axes
    return np.stack([np.ones(len(z)), z, y, x, z * z, y * y, x * x, y * x, z * y, z * x], axis=1)


def _mode(values: Doubles) -> float:
    """Most frequent value: the median of those near the histogram's highest point."""
    top = float(np.quantile(values, 0.995))
    counts, edges = np.histogram(values, bins=64, range=(0, top))
    smooth = np.convolve(counts, [1, 4, 6, 4, 1], mode="same")
    peak = int(np.argmax(smooth))
    around_peak = values[(values >= edges[max(0, peak - 1)]) & (values <= edges[min(64, peak + 2)])]
    return float(np.median(around_peak))
