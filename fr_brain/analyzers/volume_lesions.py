"""Lesions at full resolution: threshold the right flank of the brain's histogram, join, measure."""

import math
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume_field import Field
from fr_brain.analyzers.volume_image import Bools, Coarse, Floats, Image, Labels, Unfit
from fr_brain.analyzers.volume_masks import Masks

WHITE = 1000
"""Code of the brain's most frequent intensity once the field is even."""

MIN_ML = 0.01
"""Smaller pieces are noise or vessels."""

_CODES = 4096
_SMOOTHING_MM = 0.7  # sigma; takes more from noise than from a lesion of 2 mm radius
_MARGIN_MM = 4.0  # blocks at the brain's surface are mixed with what is not brain
_MIN_VOXELS = 3
_SLAB_VOXELS = 1 << 16
# A histogram bin this high over the highest still belongs to healthy tissue: grey matter on
# FLAIR is a peak of its own above white matter's, lesions are a thousandth.
_FLANK_SHARE = 0.05
_SEED_SIGMAS = 1.75
# What tells a lesion from a patch of grey matter under a field that is not quite even, from noise
# and from white matter on T1: it rises above the flank and out of its surroundings, and it ends:
# few voxels right around it are above half of its rise. On phantoms at 2 mm that share is 0.08 at
# most for lesions and 0.49 at least for patches; on Colin27 and MNI152 nothing rises above 1.03.
_RISE_MIN = 1.04
_CONTRAST_MIN = 1.2
_SPREAD_MAX = 0.3
_AROUND_MM = 3.5
_REGROW_MM = 1.5
_PIECES_MAX = 400  # a bound on work; an image with more is no image of lesions


@dataclass(frozen=True)
class Evened:
    """The brain's box with an even field, in thousandths of white matter."""

    codes: npt.NDArray[np.uint16]
    """Axes z, y, x; 0 outside of the brain's inner part."""
    start: tuple[int, int, int]
    """First voxel of the box."""
    histogram: npt.NDArray[np.int64]
    """Of the codes in the inner part."""
    tissue_voxels: int
    """Voxels of the whole brain above the level between fluid and tissue."""


@dataclass(frozen=True)
class Flank:
    """Where healthy tissue ends, in codes."""

    grow: int
    """A lesion reaches as far as this."""
    seed: int
    """A lesion has a voxel of at least this."""
    sigma: float
    """Half-width of white matter's peak."""


@dataclass(frozen=True)
class Region:
    """One lesion."""

    voxels: int
    """Above half of the rise from the surroundings to the lesion's bright part."""
    centroid: tuple[float, float, float]
    """Mean canonical voxel index: z, y, x."""


def even_out(image: Image, coarse: Coarse, masks: Masks, field: Field) -> Evened:
    """Read the brain's box: smooth a little, divide by the field."""
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    blocks = _box(masks.brain)
    starts = [part.start * f for part, f in zip(blocks, coarse.factor, strict=True)]
    stops = [min(part.stop * f, n) for part, f, n in zip(blocks, coarse.factor, shape, strict=True)]
    rows, columns = slice(starts[1], stops[1]), slice(starts[2], stops[2])
    planes = field.planes(shape, (slice(starts[0], stops[0]), rows, columns))
    kernel = [min(0.25, (_SMOOTHING_MM / mm) ** 2 / 2) for mm in image.spacing]
    codes = np.zeros([stop - start for start, stop in zip(starts, stops, strict=True)], np.uint16)
    histogram = np.zeros(_CODES, np.int64)
    tissue = 0
    inner = masks.brain & (masks.depth > _MARGIN_MM)
    thick = coarse.factor[0] * max(
        1, _SLAB_VOXELS // (coarse.factor[0] * codes.shape[1] * codes.shape[2])
    )
    for first in range(starts[0], stops[0], thick):
        last = min(first + thick, stops[0])
        above = max(first - 1, 0)
        slab = image.slab(slice(above, min(last + 1, shape[0])), rows, columns)
        slab = _smooth(slab, kernel)[first - above : first - above + last - first]
        depth_blocks = slice(first // coarse.factor[0], math.ceil(last / coarse.factor[0]))
        part = (depth_blocks, blocks[1], blocks[2])
        brain = _repeat(masks.brain[part], coarse.factor, slab.shape)
        tissue += int(np.count_nonzero((slab > masks.tissue_level) & brain))
        slab *= planes.at(first - starts[0], last - starts[0])
        slab *= WHITE
        np.clip(slab, 1, _CODES - 1, out=slab)
        slab *= _repeat(inner[part], coarse.factor, slab.shape)
        out = codes[first - starts[0] : last - starts[0]]
        out[...] = slab
        histogram += np.bincount(out.ravel(), minlength=_CODES)
    histogram[0] = 0
    return Evened(codes, (starts[0], starts[1], starts[2]), histogram, tissue)


def find_flank(histogram: npt.NDArray[np.int64]) -> Flank | None:
    """Where the brain's histogram falls off to the right; None where it has no such flank."""
    width = 21
    smooth = np.convolve(histogram, np.ones(width) / width, mode="same")
    smooth = np.convolve(smooth, np.ones(width) / width, mode="same")
    peak = int(np.argmax(smooth))
    if smooth[peak] <= 0:
        return None
    # The steeper side is white matter's own: the other is mixed with grey matter or fluid.
    half = smooth >= smooth[peak] / 2
    left = peak - int(np.argmin(half[peak::-1]))
    right = peak + int(np.argmin(half[peak:]))
    sigma = min(peak - left, right - peak) / 1.1774
    grow = int(np.flatnonzero(smooth >= _FLANK_SHARE * smooth[peak])[-1])
    seed = grow + math.ceil(_SEED_SIGMAS * sigma)
    if seed >= _CODES - 1:
        return None
    return Flank(grow, seed, sigma)


def find_regions(
    evened: Evened, flank: Flank, spacing: tuple[float, float, float], voxel_ml: float
) -> list[Region]:
    """The lesions, the largest first: 18-connected pieces above ``grow`` with a voxel above
    ``seed`` that rise out of their surroundings.

    Raises:
        Unfit: there are more bright pieces than any brain has lesions.
    """
    labels: Labels = cc3d.connected_components(
        (evened.codes >= flank.grow).view(np.uint8), connectivity=18
    )
    # Lesions fill a thousandth of the box: statistics on their voxels alone.
    where = np.flatnonzero(labels)
    if not where.size:
        return []
    own = labels.ravel()[where]
    sizes = np.bincount(own)
    seeded = np.zeros(len(sizes), np.bool_)
    seeded[own[evened.codes.ravel()[where] >= flank.seed]] = True
    kept = np.flatnonzero(seeded & (sizes >= max(_MIN_VOXELS, MIN_ML / voxel_ml)))
    if len(kept) > _PIECES_MAX:
        raise Unfit(f"{len(kept)} separate bright spots in the brain: noise or another contrast.")
    by_label = np.argsort(own, kind="stable")
    ends = np.cumsum(sizes)
    margin = [math.ceil(_AROUND_MM / mm) for mm in spacing]
    regrow = [max(1, round(_REGROW_MM / mm)) for mm in spacing]
    regions = []
    for label in kept:
        voxels = where[by_label[ends[label] - sizes[label] : ends[label]]]
        positions = np.unravel_index(voxels, labels.shape)
        box = tuple(
            slice(max(0, int(axis.min()) - more), int(axis.max()) + more + 1)
            for axis, more in zip(positions, margin, strict=True)
        )
        measured = _measure(evened.codes[box], labels[box], int(label), flank, regrow)
        if measured is not None:
            offsets = [part.start + first for part, first in zip(box, evened.start, strict=True)]
            count, (z, y, x) = measured
            regions.append(Region(count, (z + offsets[0], y + offsets[1], x + offsets[2])))
    return sorted(regions, key=lambda region: (-region.voxels, region.centroid))


def _measure(
    codes: npt.NDArray[np.uint16],
    labels: Labels,
    label: int,
    flank: Flank,
    regrow: list[int],
) -> tuple[int, tuple[float, float, float]] | None:
    """Voxels and centroid in the box of one piece; None where it is no lesion."""
    piece = labels == label
    inside = np.sort(codes[piece])
    around = codes[(labels == 0) & (codes > 0)]
    if not around.size:
        return None
    bright = float(inside[len(inside) // 2 :].mean())
    surroundings = float(np.median(around))
    if bright < _RISE_MIN * flank.grow or bright < _CONTRAST_MIN * surroundings:
        return None
    # The threshold hangs on the brain's noise; where a lesion ends does not.
    near = piece
    for axis, steps in enumerate(regrow):
        for _ in range(steps):
            near = _widen(near, axis)
    upper = codes >= (bright + surroundings) / 2
    ring = near & ~piece & (codes > 0)
    if np.count_nonzero(upper & ring) > _SPREAD_MAX * np.count_nonzero(ring):
        return None
    grown = near & upper & (piece | (labels == 0))
    z, y, x = (float(axis.mean()) for axis in np.nonzero(grown))
    return int(np.count_nonzero(grown)), (z, y, x)


def _widen(mask: Bools, axis: int) -> Bools:
    out = mask.copy()
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] |= mask[tuple(behind)]
    out[tuple(behind)] |= mask[tuple(ahead)]
    return out


def _box(mask: Bools) -> tuple[slice, slice, slice]:
    parts = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        parts.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return parts[0], parts[1], parts[2]


def _repeat(blocks: Bools, factor: tuple[int, int, int], shape: tuple[int, ...]) -> Bools:
    """Blocks as voxels; the last block of an axis may be cut."""
    out = blocks
    for axis in (2, 1, 0):
        out = np.repeat(out, factor[axis], axis=axis)
    return out[: shape[0], : shape[1], : shape[2]]


def _smooth(slab: Floats, kernel: list[float]) -> Floats:
    """A three-point kernel [w, 1 - 2w, w] along each axis."""
    for axis, weight in enumerate(kernel):
        if weight < 0.01 or slab.shape[axis] < 2:
            continue
        w = np.float32(weight)
        ahead: list[slice] = [slice(None)] * 3
        behind: list[slice] = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        steps = slab[tuple(ahead)] - slab[tuple(behind)]
        steps *= w
        out = slab.copy()
        out[tuple(behind)] += steps
        out[tuple(ahead)] -= steps
        slab = out
    return slab
