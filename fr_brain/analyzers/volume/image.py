"""A volume as the analyzer reads it: any dtype and orientation in, canonical float32 slabs out.

All arrays here have the axes z, y, x with z upwards, y to the front, x to the right (RAS+ read
from the back), so that one head gives one result however its file was written. The views are not
copies: a slab of planes is converted at a time.
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
"""Edge of the blocks whose means make the coarse image: masks need no finer one."""

_SAMPLE = 60_000  # voxels that the intensity range is taken from
_UNITS = 32
_ADDED_ONE_BY_ONE = 8  # numpy adds more than these in another order
_LEVELS_MIN = 24  # noise alone makes more; with fewer a threshold falls between two
_CONTRAST_MIN = 1e-4  # of the largest value; below, float32 would show its own steps as noise


class UnreadableImage(Exception):
    """The image cannot be judged; the text is the reason. It ends as a report of quality 'fail'."""


@dataclass(frozen=True)
class CanonicalImage:
    """Canonical view of a volume."""

    view: npt.NDArray[Any]
    """Axes z, y, x, any strides, the scan's dtype."""
    spacing_mm: tuple[float, float, float]
    """Distance of voxels along z, y, x in mm."""
    voxel_ml: float
    low: float
    """Intensity taken as 0: about the darkest (air)."""
    high: float
    """Intensity taken as 1: about the brightest; up to 2 is kept."""
    order: tuple[int, int, int]
    """The scan's axis that lies along z, y, x."""
    flipped: tuple[bool, bool, bool]
    """Whether it points down, to the back, to the left."""

    def slab(self, *box: slice) -> Floats:
        """A part as a new array, 0 at ``low``, 1 at ``high``, cut to 0 to 2; what is not finite
        becomes 0, as air."""
        return self._scaled(self.view[box])

    def at(self, index: tuple[npt.NDArray[np.intp], ...]) -> Floats:
        """Single voxels by their index along z, y, x, scaled as a slab."""
        return self._scaled(self.view[index])

    def _scaled(self, part: npt.NDArray[Any]) -> Floats:
        # 32-bit integers and doubles lose what tells them apart in float32; smaller do not.
        small = part.dtype.itemsize <= (4 if part.dtype.kind == "f" else 2)
        work: npt.NDArray[np.floating] = part.astype(np.float32 if small else np.float64, order="C")
        if part.dtype.kind == "f":
            finite = np.isfinite(work)
            if not finite.all():
                work[~finite] = self.low
        # Cut before it is shifted: what lies far out could overflow.
        np.clip(work, self.low, self.low + 2 * (self.high - self.low), out=work)
        np.subtract(work, self.low, out=work)
        np.multiply(work, 1 / (self.high - self.low), out=work)
        return work.astype(np.float32, copy=False)

    def scan_index(self, zyx: tuple[float, float, float]) -> tuple[float, float, float]:
        """The position of a canonical index in the scan's own axes."""
        index = [0.0, 0.0, 0.0]
        for position, axis, flip, voxels in zip(
            zyx, self.order, self.flipped, self.view.shape, strict=True
        ):
            index[axis] = voxels - 1 - position if flip else position
        return index[0], index[1], index[2]


def canonical_image(scan: BrainScan, voxels: npt.NDArray[Any]) -> CanonicalImage:
    """The canonical view of a volume.

    Raises:
        Unfit: it is not placed in space, (almost) constant, or has few levels of grey.
    """
    orientation, spacing_mm = scan.orientation, scan.voxel_size_mm
    if orientation is None or spacing_mm is None or scan.affine is None:
        raise UnreadableImage(
            "The image is not placed in space, so the size of nothing in it is known."
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
    """Robust darkest and brightest intensity, from a regular sample."""
    step = max(1, math.ceil((view.size / _SAMPLE) ** (1 / 3)))
    thin = [min(step, max(1, voxels // 8)) for voxels in view.shape]
    sample = view[tuple(slice(every // 2, None, every) for every in thin)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise UnreadableImage("The image is empty: its voxels are no numbers.")
    low, high = (float(value) for value in np.quantile(sample, (0.005, 0.999), method="lower"))
    scale = max(abs(low), abs(high))
    # Past these float32 has no room for what is computed from the values.
    if not 1e-30 < scale < 1e30 or high - low < _CONTRAST_MIN * scale:
        raise UnreadableImage(
            "The image is empty: its voxels are all (almost) the same, or beyond measure."
        )
    levels = len(np.unique(sample))
    if levels < _LEVELS_MIN:
        raise UnreadableImage(
            f"The image has only {levels} levels of grey: a mask or a map, not a scan."
        )
    return low, high


@dataclass(frozen=True)
class CoarseImage:
    """Means over blocks of about 4 mm."""

    mean: Floats
    """Axes z, y, x, scaled as ``Image.slab``."""
    factor: tuple[int, int, int]
    """Voxels along a block's edges; the last block of an axis may have fewer."""
    spacing_mm: tuple[float, float, float]
    """Distance of blocks, mm."""
    voxels: Floats
    """Voxels in each block."""
    not_finite: int
    """Voxels that are no finite numbers."""


def coarsen(image: CanonicalImage) -> CoarseImage:
    """Read every voxel once."""
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
    # Of the three sums this one runs along memory, the slowest way, so it is done on the least.
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
    """Sums of so many along an axis; the last may be of fewer. They are rounded as by
    ``np.add.reduceat``, several times as fast."""
    along = values.swapaxes(0, axis)
    if not 1 < factor <= _ADDED_ONE_BY_ONE:
        return np.add.reduceat(values, np.arange(0, len(along), factor), axis=axis)
    rest = along[1::factor].copy(order="K")
    for place in range(2, factor):
        more = along[place::factor]
        rest[: len(more)] += more
    sums = along[::factor].copy(order="K")
    sums[: len(rest)] += rest
    return sums.swapaxes(0, axis)


def distance_to(target: Bools, spacing_mm: tuple[float, float, float], cap_mm: float) -> Floats:
    """Distance in mm of each block to the nearest one in ``target``, at most ``cap_mm``.

    The field of view's edge is no target. Exact Euclidean by separable minima of parabolas
    (Felzenszwalb and Huttenlocher 2012), tried by shifts, since the cap allows few.
    """
    shifts = [
        min(math.ceil(cap_mm / mm), n - 1) for mm, n in zip(spacing_mm, target.shape, strict=True)
    ]
    # Squares in 1/32 mm2: two of the cap's fit 16 bits, which halves the memory to move. Rows end
    # in room for a shift, so that along x all rows are one, and long ones are faster.
    columns = target.shape[2]
    best = np.full((*target.shape[:2], columns + shifts[2]), np.uint16(cap_mm**2 * _UNITS))
    best[..., :columns][target] = 0
    before, cost = np.empty_like(best), np.empty_like(best)
    for axis, mm in enumerate(spacing_mm):
        before[...] = best
        to, source = (
            array.reshape(-1) if axis == 2 else array.swapaxes(0, axis) for array in (best, cost)
        )
        for shift in range(1, shifts[axis] + 1):
            np.add(before, np.uint16((min(shift * mm, cap_mm)) ** 2 * _UNITS), out=cost)
            np.minimum(to[shift:], source[:-shift], out=to[shift:])
            np.minimum(to[:-shift], source[shift:], out=to[:-shift])
    best = best[..., :columns]
    return np.sqrt(best * np.float32(1 / _UNITS))


def otsu(values: Floats) -> float:
    """Threshold with the largest variance between the two classes (Otsu 1979), of 256 bins."""
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
    # Where the classes lie apart, all thresholds between them are equal: the middle one.
    best = np.flatnonzero(variance == variance.max())
    return float(edges[1 + int(best[len(best) // 2])])
