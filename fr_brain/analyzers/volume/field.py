"""The bias field: a polynomial in position, fitted on coarse blocks.

Own method: the polynomial describes the field's reciprocal, so the fit is linear in its weights. It
is a quadratic, or a quartic where the field is strong. N4 (Tustison et al., IEEE TMI 29, 2010)
follows the field more closely and takes a hundred times as long.
``METHOD.md`` explains the constants.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, CoarseImage, Floats
from fr_brain.analyzers.volume.masks import CoarseMasks

Doubles = npt.NDArray[np.float64]

_BLOCKS_MAX = 3000  # blocks in the fit
_BLOCKS_MIN = 200  # deep blocks, below which no quadratic is fitted
_RIM_MM = 4.0  # depth from which blocks are used
_DEEP_MM = 10.0  # depth from which a block counts as deep
_WINDOWS = (0.25, 0.15, 0.1, 0.1)  # tolerance around white matter, a round each
_CORTEX_WINDOWS = (0.1, 0.07, 0.07)  # the same around either class
_NEAR = 0.8, 1.25  # of white matter, where it is known: values that may be white matter
FIELD_MAX = 2.5
"""The largest plausible correction, as a factor."""
QUADRATIC, QUARTIC = 10, 35
"""Weights of a polynomial in z, y, x of degree 2 and of degree 4."""

_FIRST: tuple[tuple[int, int, int], ...] = (
    *((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2)),
    *((0, 1, 1), (1, 1, 0), (1, 0, 1)),
)
_EXPONENTS = _FIRST + tuple(
    powers for powers in itertools.product(range(5), repeat=3) if 3 <= sum(powers) <= 4
)
"""Exponents of z, y, x of each term."""


@dataclass(frozen=True)
class BiasField:
    """The factor that makes white matter 1 everywhere, as a polynomial in position."""

    weights: Doubles
    """Shape 10 or 35, for the terms of ``polynomial_terms``; positions run from -1 to 1 across the
    volume."""
    inu_percent: float | None
    """Range of the field over the brain as BrainWeb states it: 20 means 0.90 to 1.10. None if no
    fit was plausible, so that the field stays in the image."""
    grey: float | None = None
    """Most frequent intensity of shallow blocks over that of white matter; None if not fitted."""

    def planes(self, shape: tuple[int, int, int], box: tuple[slice, slice, slice]) -> "FieldPlanes":
        """The field on the voxels of ``box`` (slices z, y, x) in a volume of ``shape`` voxels."""
        z, y, x = (np.linspace(-1, 1, n)[part] for n, part in zip(shape, box, strict=True))
        return self._over(z, y, x)

    def _over(self, z: Doubles, y: Doubles, x: Doubles) -> "FieldPlanes":
        weights = self._cube()
        powers = [axis[:, None] ** np.arange(len(weights)) for axis in (z, y, x)]
        of_planes = np.tensordot(powers[0], weights, 1).astype(np.float32)
        return FieldPlanes(of_planes, powers[1].astype(np.float32), powers[2].astype(np.float32))

    def _cube(self) -> Doubles:
        """The weights by the exponents of z, y, x."""
        order = 3 if len(self.weights) == QUADRATIC else 5
        cube = np.zeros((order,) * 3)
        for powers, weight in zip(_EXPONENTS, self.weights, strict=False):
            cube[powers] = weight
        return cube

    def on_blocks(self, coarse: CoarseImage, shape: tuple[int, int, int]) -> Floats:
        """The field at the centres of the blocks of a volume of ``shape`` voxels; shape of
        ``coarse.mean``."""
        axes = []
        for blocks, factor, voxels in zip(coarse.mean.shape, coarse.factor, shape, strict=True):
            first = np.arange(blocks) * factor
            axes.append((first + np.minimum(first + factor, voxels) - 1) / (voxels - 1) - 1)
        return self._over(*axes).at(0, coarse.mean.shape[0])

    def after(self, first: "BiasField") -> "BiasField":
        """This field, fitted on what a first one had corrected, and the first one as one field.

        Args:
            first: a quadratic; so is this field.
        """
        weights = np.zeros(QUARTIC)
        places = {powers: place for place, powers in enumerate(_EXPONENTS)}
        pairs = itertools.product(
            zip(_FIRST, self.weights, strict=True), zip(_FIRST, first.weights, strict=True)
        )
        for (own, weight), (other, factor) in pairs:
            powers = (own[0] + other[0], own[1] + other[1], own[2] + other[2])
            weights[places[powers]] += weight * factor
        return replace(self, weights=weights)


@dataclass(frozen=True)
class FieldPlanes:
    """The field on a box of voxels: a polynomial in y and x for each of its planes."""

    weights: Floats
    """Axes: planes, power of y, power of x."""
    y: Floats
    """Powers of y: rows x powers."""
    x: Floats
    """Powers of x: columns x powers."""

    def at(self, first: int, last: int) -> Floats:
        """The planes from ``first`` up to ``last`` of the box; axes z, y, x."""
        return np.asarray((self.y @ self.weights[first:last]) @ self.x.T)


def fit_field(coarse: CoarseImage, masks: CoarseMasks, shape: tuple[int, int, int]) -> BiasField:
    """Fit the field on blocks of brain tissue.

    First on deep blocks of the most frequent intensity, which is white matter; then with the cortex
    as a second class, because otherwise the field would be extrapolated there.

    Args:
        coarse: the blocks.
        masks: head and brain, a block each.
        shape: voxels of the volume along z, y, x.

    Returns:
        The field; a constant factor if the brain has too few deep blocks (``inu_percent`` is 0)
        or if the fit is implausible (``inu_percent`` is None).
    """
    where = np.nonzero(masks.brain & (masks.depth > _RIM_MM) & (coarse.mean > masks.tissue_level))
    every = max(1, len(where[0]) // _BLOCKS_MAX)
    blocks = tuple(axis[::every] for axis in where)
    values = coarse.mean[blocks].astype(np.float64)
    deep = masks.depth[blocks] > _DEEP_MM
    if np.count_nonzero(deep) < _BLOCKS_MIN:
        # Too few deep blocks for a quadratic: one factor for all.
        return BiasField(_constant(_mode(coarse.mean[masks.brain].astype(np.float64))), 0.0)
    positions = _positions(blocks, coarse, shape)
    middle = _mode(values[deep], masks.white)
    weights = _constant(middle)
    near = None if masks.white is None else 1.0
    for window in _WINDOWS:
        weights = weights / _mode((positions[deep] @ weights) * values[deep], near)
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
    weights = weights / _mode((positions[deep] @ weights) * values[deep], near)
    return BiasField(weights, range_percent(reciprocal), cortex)


def _refit(weights: Doubles, positions: Doubles, values: Doubles, chosen: Bools) -> Doubles:
    """Least-squares weights that bring the chosen values to 1.

    A slight pull towards the old weights keeps the fit stable along directions in which the brain
    is thin.
    """
    design = positions[chosen] * values[chosen, None]
    pull = 1e-4 * float((values**2).sum())
    normal = design.T @ design + pull * np.eye(10)
    return np.asarray(np.linalg.solve(normal, design.sum(axis=0) + pull * weights))


def _constant(middle: float) -> Doubles:
    return np.array([1 / middle] + [0.0] * 9)


def range_percent(reciprocal: Doubles) -> float:
    """Range of a field, in % as BrainWeb states it, from its reciprocal or from the field."""
    low, high = float(reciprocal.min()), float(reciprocal.max())
    return 200 * (high - low) / (high + low)


def _positions(
    blocks: tuple[npt.NDArray[np.intp], ...], coarse: CoarseImage, shape: tuple[int, int, int]
) -> Doubles:
    """The ten terms of the quadratic at the centres of blocks (indices z, y, x): blocks x 10."""
    axes = []
    for index, factor, voxels in zip(blocks, coarse.factor, shape, strict=True):
        first = index * factor
        last = np.minimum(first + factor, voxels) - 1
        axes.append((first + last) / (voxels - 1) - 1)
    return polynomial_terms(axes, QUADRATIC)


def polynomial_terms(axes: list[Doubles], count: int) -> Doubles:
    """The terms of a polynomial at n points, in the order of ``BiasField.weights``.

    Args:
        axes: z, y, x of each point, from -1 to 1.
        count: 10 for a quadratic (1, z, y, x, zz, yy, xx, yx, zy, zx), 35 for a quartic.

    Returns:
        Shape n x ``count``.
    """
    powers = [axis ** np.arange(5)[:, None] for axis in axes]
    return np.stack(
        [powers[0][z] * powers[1][y] * powers[2][x] for z, y, x in _EXPONENTS[:count]], axis=1
    )


def _mode(values: Doubles, near: float | None = None) -> float:
    """The most frequent value: the median of the values around the histogram's peak.

    Args:
        values: the values.
        near: only values from 0.8 to 1.25 times this one count, if there are any; None for all.
    """
    if near is not None:
        kept = values[(values > _NEAR[0] * near) & (values < _NEAR[1] * near)]
        values = kept if kept.size else values
    top = float(np.quantile(values, 0.995))
    counts, edges = np.histogram(values, bins=64, range=(0, top))
    smooth = np.convolve(counts, [1, 4, 6, 4, 1], mode="same")
    peak = int(np.argmax(smooth))
    around_peak = values[(values >= edges[max(0, peak - 1)]) & (values <= edges[min(64, peak + 2)])]
    return float(np.median(around_peak))
