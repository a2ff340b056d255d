"""The brain's box at full resolution: bias field removed, white matter at 1000, lightly smoothed.

Own method. ``METHOD.md`` explains the constants.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.field import BiasField
from fr_brain.analyzers.volume.image import Bools, CanonicalImage, CoarseImage

Intensities = npt.NDArray[np.uint16]
"""Thousandths of white matter, below ``INTENSITY_LEVELS``."""
Counts = npt.NDArray[np.int64]

WHITE = 1000
"""The intensity of white matter once the bias field is removed."""
INTENSITY_LEVELS = 4096
"""Intensities are below this, so that 16 times one fits 16 bits, as the smoothing needs."""

_SMOOTHING_MM = 0.7  # sigma
_SLAB_VOXELS = 1 << 16  # so that a slab and its temporaries stay in a second-level cache


@dataclass(frozen=True)
class NormalizedImage:
    """The brain's box of the canonical image without its bias field."""

    intensities: Intensities
    """Axes z, y, x of the box; white matter is ``WHITE``."""
    box: tuple[slice, slice, slice]
    """Its voxels in the canonical image (z, y, x)."""
    blocks: tuple[slice, slice, slice]
    """Its blocks in the coarse image (z, y, x)."""
    factor: tuple[int, int, int]
    """Voxels along a block's edges (z, y, x)."""

    def upsample(self, blocks: Bools, planes: slice | None = None) -> Bools:
        """A mask of blocks on the box's voxels.

        Args:
            blocks: booleans of the coarse image.
            planes: planes of the box that start with a block; None takes all.

        Returns:
            Booleans, axes z, y, x, of those planes.
        """
        first, last = (0, len(self.intensities)) if planes is None else (planes.start, planes.stop)
        depth = self.factor[0]
        own = self.blocks[0].start
        part = blocks[own + first // depth : own + math.ceil(last / depth), *self.blocks[1:]]
        # x first: along the other axes whole rows are copied.
        wide = np.repeat(part, self.factor[2], axis=2)[:, :, : self.intensities.shape[2]]
        wide = np.repeat(wide, self.factor[1], axis=1)[:, : self.intensities.shape[1]]
        return np.repeat(wide, depth, axis=0)[: last - first]

    def histograms(self, outer: Bools, inner: Bools) -> tuple[Counts, Counts]:
        """Histograms of the intensities in two masks of blocks, from every second slab.

        Args:
            outer: booleans of the coarse image.
            inner: the same, a subset of ``outer``.

        Returns:
            Counts in ``outer`` and in ``inner``, ``INTENSITY_LEVELS`` bins each.
        """
        apart = np.zeros((2, INTENSITY_LEVELS), np.int64)
        for part in self.slabs()[::2]:
            keys = self.intensities[part] + self.upsample(inner, part) * np.uint16(INTENSITY_LEVELS)
            keys = keys[self.upsample(outer, part)]
            apart += np.bincount(keys, minlength=2 * INTENSITY_LEVELS).reshape(2, INTENSITY_LEVELS)
        return apart[0] + apart[1], apart[1]

    def slabs(self) -> list[slice]:
        """The box's planes in slabs of a few, each starting with a block."""
        depth = self.factor[0]
        thick = depth * max(1, _SLAB_VOXELS // (depth * math.prod(self.intensities.shape[1:])))
        count = len(self.intensities)
        return [slice(first, min(first + thick, count)) for first in range(0, count, thick)]


def normalize(
    image: CanonicalImage, coarse: CoarseImage, around: Bools, field: BiasField
) -> NormalizedImage:
    """Read the box around some blocks, without the bias field, and smooth it.

    Args:
        image: the volume.
        coarse: its blocks.
        around: booleans of the coarse image; the box holds all of them.
        field: the bias field.
    """
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    blocks = bounding_box(around)
    box = tuple(
        slice(part.start * f, min(part.stop * f, n))
        for part, f, n in zip(blocks, coarse.factor, shape, strict=True)
    )
    rows, columns = box[1], box[2]
    planes = field.planes(shape, (box[0], rows, columns))
    kernel = smoothing_kernel(image.spacing_mm)
    intensities = np.empty([part.stop - part.start for part in box], np.uint16)
    normalized = NormalizedImage(intensities, (box[0], rows, columns), blocks, coarse.factor)
    for part in normalized.slabs():
        slab = image.slab(slice(box[0].start + part.start, box[0].start + part.stop), rows, columns)
        slab *= planes.at(part.start, part.stop)
        slab *= WHITE
        np.clip(slab, 0, INTENSITY_LEVELS - 1, out=slab)
        intensities[part] = slab
    # Smoothing a slab needs the plane after it, and the plane before it as it was before that was
    # smoothed, so an unsmoothed copy is kept.
    before = intensities[:0]
    for part in normalized.slabs():
        own = np.concatenate([before, intensities[part.start : part.stop + 1]])
        inner = slice(len(before), len(before) + part.stop - part.start)
        before = intensities[part.stop - 1 : part.stop].copy()
        own = _smooth(own, 0, kernel[0])[inner]
        intensities[part] = _smooth(_smooth(own, 1, kernel[1]), 2, kernel[2])
    return normalized


def smoothing_kernel(spacing_mm: tuple[float, float, float]) -> list[int]:
    """Weight of a neighbour along each axis in sixteenths, as integers.

    Args:
        spacing_mm: distance between voxels along z, y, x, mm.

    A kernel (k, 16 - 2k, k) / 16 has the variance of a Gaussian of 0.7 mm, as far as k <= 4.
    """
    return [round(16 * min(0.25, (_SMOOTHING_MM / mm) ** 2 / 2)) for mm in spacing_mm]


def _smooth(slab: Intensities, axis: int, weight: int) -> Intensities:
    """Smooth by (k, 16 - 2k, k) / 16 along an axis; the edge is repeated outside."""
    if not weight or slab.shape[axis] < 2:
        return slab
    whole, side, shift = (4, 1, 2) if weight == 4 else (16, weight, 4)
    # All voxels as one long row, which is faster; then the edges, which got wrong neighbours.
    step = math.prod(slab.shape[axis + 1 :])
    flat = slab.reshape(-1)
    flat_out = flat * np.uint16(whole - 2 * side)
    beside = flat if side == 1 else flat * np.uint16(side)
    flat_out[step:] += beside[:-step]
    flat_out[:-step] += beside[step:]
    out = flat_out.reshape(slab.shape)
    to, source = out.swapaxes(0, axis), slab.swapaxes(0, axis)
    for edge, inner in ((0, 1), (-1, -2)):
        to[edge] = source[edge] * np.uint16(whole - side) + source[inner] * np.uint16(side)
    out += np.uint16(whole // 2)
    out >>= np.uint16(shift)
    return out


def bounding_box(mask: Bools) -> tuple[slice, slice, slice]:
    """The smallest box (slices z, y, x) that holds a non-empty mask."""
    parts = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        parts.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return parts[0], parts[1], parts[2]
