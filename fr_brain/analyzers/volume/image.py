"""A volume in canonical orientation, read as float32 slabs, and its means over blocks of 4 mm.

All arrays of this package have the axes z, y, x with z up, y to the front, x to the right (RAS+,
last axis first), so one head gives one result however its file stores it. Views are not copies:
one slab of planes is converted at a time. ``METHOD.md`` explains the constants.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.unsignedinteger]

BLOCK_MM = 4.0
"""Edge of the blocks of the coarse image, mm."""

_SAMPLE = 60_000  # voxels that give the intensity range
_PER_MM2 = 32  # steps of a squared distance in one mm2
_SEQUENTIAL_MAX = 8  # values that numpy adds in order; it adds more of them pairwise
_GREY_LEVELS_MIN = 24  # distinct intensities in the sample
_CONTRAST_MIN = 1e-4  # intensity range over the largest magnitude


class UnreadableImage(Exception):
    """The image cannot be analysed; the text is the reason in its report of quality 'fail'."""


@dataclass(frozen=True)
class CanonicalImage:
    """A volume seen along the canonical axes."""

    view: npt.NDArray[Any]
    """Axes z, y, x; any strides; the scan's dtype."""
    spacing_mm: tuple[float, float, float]
    """Distance between voxels along z, y, x, mm."""
    voxel_ml: float
    """Volume of a voxel, ml."""
    low: float
    """The intensity that becomes 0: about the darkest (air)."""
    high: float
    """The intensity that becomes 1: about the brightest. Values up to 2 are kept."""
    order: tuple[int, int, int]
    """The scan's axis that lies along z, y, x."""
    flipped: tuple[bool, bool, bool]
    """Whether that axis points down, to the back, to the left."""

    def slab(self, *box: slice) -> Floats:
        """A scaled copy of a part.

        Args:
            box: slices along z, y, x; missing ones take the whole axis.

        Returns:
            float32 of the box's shape: 0 at ``low``, 1 at ``high``, clipped to 0 to 2; values
            that are not finite become 0, as air.
        """
        return self._scaled(self.view[box])

    def at(self, index: tuple[npt.NDArray[np.intp], ...]) -> Floats:
        """Single voxels, scaled as in ``slab``.

        Args:
            index: voxel indices along z, y, x, arrays of n integers each.

        Returns:
            float32 of shape n.
        """
        return self._scaled(self.view[index])

    def _scaled(self, part: npt.NDArray[Any]) -> Floats:
        # float32 cannot tell large 32-bit integers or doubles apart; smaller types fit into it.
        small = part.dtype.itemsize <= (4 if part.dtype.kind == "f" else 2)
        work: npt.NDArray[np.floating] = part.astype(np.float32 if small else np.float64, order="C")
        if part.dtype.kind == "f":
            finite = np.isfinite(work)
            if not finite.all():
                work[~finite] = self.low
        # Clip first: shifting an extreme value could overflow.
        np.clip(work, self.low, self.low + 2 * (self.high - self.low), out=work)
        np.subtract(work, self.low, out=work)
        np.multiply(work, 1 / (self.high - self.low), out=work)
        return work.astype(np.float32, copy=False)

    def scan_index(self, zyx: tuple[float, float, float]) -> tuple[float, float, float]:
        """A canonical voxel index (z, y, x) in the scan's own axes."""
        index = [0.0, 0.0, 0.0]
        for position, axis, flip, voxels in zip(
            zyx, self.order, self.flipped, self.view.shape, strict=True
        ):
            index[axis] = voxels - 1 - position if flip else position
        return index[0], index[1], index[2]


def canonical_image(scan: BrainScan, voxels: npt.NDArray[Any]) -> CanonicalImage:
    """The canonical view of a volume.

    Args:
        scan: the header with the affine (mm, RAS+).
        voxels: array of ``scan.shape``, three axes, any real dtype.

    Raises:
        UnreadableImage: the scan has no affine, is (almost) constant, or has few grey levels.
    """
    orientation, spacing_mm = scan.orientation, scan.voxel_size_mm
    if orientation is None or spacing_mm is None or scan.affine is None:
        raise UnreadableImage(
            "The image has no position in space (no affine), so sizes in it are unknown."
        )
    order = tuple(
        next(axis for axis, label in enumerate(orientation) if label in ends)
        for ends in ("IS", "PA", "LR")
    )
    flipped = tuple(orientation[axis] in "IPL" for axis in order)
    view = voxels.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flipped)]
    low, high = _range(view)
    return CanonicalImage(
        view=view,
        spacing_mm=(spacing_mm[order[0]], spacing_mm[order[1]], spacing_mm[order[2]]),
        voxel_ml=abs(float(np.linalg.det(np.array(scan.affine)[:, :3]))) / 1000,
        low=low,
        high=high,
        order=(order[0], order[1], order[2]),
        flipped=(flipped[0], flipped[1], flipped[2]),
    )


def _range(view: npt.NDArray[Any]) -> tuple[float, float]:
    """The intensities that become 0 and 1: quantiles 0.005 and 0.999 of a regular sample."""
    step = max(1, math.ceil((view.size / _SAMPLE) ** (1 / 3)))
    thin = [min(step, max(1, voxels // 8)) for voxels in view.shape]
    sample = view[tuple(slice(every // 2, None, every) for every in thin)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise UnreadableImage("The image is empty: none of its voxels is a finite number.")
    low, high = (float(value) for value in np.quantile(sample, (0.005, 0.999), method="lower"))
    scale = max(abs(low), abs(high))
    # Beyond these bounds float32 could not hold what is computed from the values.
    if not 1e-30 < scale < 1e30 or high - low < _CONTRAST_MIN * scale:
        raise UnreadableImage(
            "The image is empty: all voxels are (almost) equal, or too large or too small "
            "to compute with."
        )
    levels = len(np.unique(sample))
    if levels < _GREY_LEVELS_MIN:
        raise UnreadableImage(
            f"The image has only {levels} grey levels: it is a mask or a map, not a scan."
        )
    return low, high


@dataclass(frozen=True)
class CoarseImage:
    """Means over blocks of about 4 mm."""

    mean: Floats
    """Axes z, y, x, a block each; scaled as in ``CanonicalImage.slab``."""
    factor: tuple[int, int, int]
    """Voxels along a block's edges (z, y, x); the last block of an axis may have fewer."""
    spacing_mm: tuple[float, float, float]
    """Distance between blocks along z, y, x, mm."""
    voxels: Floats
    """Number of voxels in each block; shape of ``mean``."""
    not_finite: int
    """Number of voxels that are not finite numbers."""


def coarsen(image: CanonicalImage) -> CoarseImage:
    """The means over blocks of about ``BLOCK_MM``; reads every voxel once."""
    view = image.view
    factor = tuple(max(1, round(BLOCK_MM / mm)) for mm in image.spacing_mm)
    starts = [np.arange(0, n, f) for n, f in zip(view.shape, factor, strict=True)]
    counts = [np.diff(np.append(s, n)) for s, n in zip(starts, view.shape, strict=True)]
    rows = np.empty((len(starts[0]), len(starts[1]), view.shape[2]), np.float32)
    not_finite = 0
    for block, first in enumerate(starts[0]):
        slab = image.slab(slice(first, first + factor[0]))
        if view.dtype.kind == "f":
            part = view[first : first + factor[0]]
            not_finite += part.size - int(np.count_nonzero(np.isfinite(part)))
        rows[block] = _block_sums(slab.sum(axis=0), 0, factor[1])
    # The sum along memory is the slowest of the three, so it comes last, on the least data.
    mean = _block_sums(rows, 2, factor[2])
    voxels = (
        counts[0][:, None, None] * counts[1][None, :, None] * counts[2][None, None, :]
    ).astype(np.float32)
    mean /= voxels
    spacing_mm = tuple(mm * f for mm, f in zip(image.spacing_mm, factor, strict=True))
    return CoarseImage(
        mean=mean,
        factor=(factor[0], factor[1], factor[2]),
        spacing_mm=(spacing_mm[0], spacing_mm[1], spacing_mm[2]),
        voxels=voxels,
        not_finite=not_finite,
    )


def _block_sums(values: Floats, axis: int, factor: int) -> Floats:
    """Sums of ``factor`` consecutive values along an axis; the last sum may have fewer.

    They are rounded as by ``np.add.reduceat``, and several times as fast.
    """
    along = values.swapaxes(0, axis)
    if not 1 < factor <= _SEQUENTIAL_MAX:
        return np.add.reduceat(values, np.arange(0, len(along), factor), axis=axis)
    rest = along[1::factor].copy(order="K")
    for place in range(2, factor):
        more = along[place::factor]
        rest[: len(more)] += more
    sums = along[::factor].copy(order="K")
    sums[: len(rest)] += rest
    return sums.swapaxes(0, axis)


def distance_to(target: Bools, spacing_mm: tuple[float, float, float], cap_mm: float) -> Floats:
    """Euclidean distance of each block to the nearest target block.

    Args:
        target: booleans, axes z, y, x.
        spacing_mm: distance between blocks along z, y, x, mm.
        cap_mm: the largest distance of interest, mm.

    Returns:
        mm, float32 of the target's shape, at most ``cap_mm``. The edge of the field of view is
        not a target.

    Source: Felzenszwalb and Huttenlocher, Theory of Computing 8 (2012): separable minima of
    parabolas. Here each shift within the cap is tried, since the cap allows few.
    """
    shifts = [
        min(math.ceil(cap_mm / mm), n - 1) for mm, n in zip(spacing_mm, target.shape, strict=True)
    ]
    # Squares in steps of 1/32 mm2: the sum of two caps fits 16 bits, which halves the memory to
    # move. Rows are padded by the largest shift, so that along x all rows work as one long row,
    # which is faster.
    columns = target.shape[2]
    best = np.full((*target.shape[:2], columns + shifts[2]), np.uint16(cap_mm**2 * _PER_MM2))
    best[..., :columns][target] = 0
    before, cost = np.empty_like(best), np.empty_like(best)
    for axis, mm in enumerate(spacing_mm):
        before[...] = best
        to, source = (
            array.reshape(-1) if axis == 2 else array.swapaxes(0, axis) for array in (best, cost)
        )
        for shift in range(1, shifts[axis] + 1):
            np.add(before, np.uint16((min(shift * mm, cap_mm)) ** 2 * _PER_MM2), out=cost)
            np.minimum(to[shift:], source[:-shift], out=to[shift:])
            np.minimum(to[:-shift], source[shift:], out=to[:-shift])
    best = best[..., :columns]
    return np.sqrt(best * np.float32(1 / _PER_MM2))


def otsu(values: Floats) -> float:
    """The threshold with the largest variance between two classes, from 256 bins.

    Args:
        values: intensities, any shape, not empty.

    Returns:
        The threshold in the unit of ``values``; their common value if all are equal.

    Source: Otsu, IEEE Transactions on Systems, Man, and Cybernetics 9 (1979).
    """
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low
    counts, edges = np.histogram(values, bins=256, range=(low, high))
    middle = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts)
    total = np.cumsum(counts * middle)
    below, above = weight[:-1], weight[-1] - weight[:-1]
    usable = (below > 0) & (above > 0)
    gap = np.zeros(255)
    gap[usable] = (
        total[:-1][usable] / below[usable] - (total[-1] - total[:-1][usable]) / above[usable]
    )
    variance = below * above * gap**2
    # If a gap separates the classes, all thresholds in it are equal: take the middle one.
    best = np.flatnonzero(variance == variance.max())
    return float(edges[1 + int(best[len(best) // 2])])
