"""Lesions at full resolution: threshold, join, test, and measure each at half of its rise.

A voxel is a candidate where it is brighter than all healthy tissue, or, inside of white matter,
brighter than that: grey matter reaches neither. On T1 lesions are dark, so codes are mirrored at
white matter, and only those inside of it can be told from grey matter.
"""

import math
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, Labels, Unfit
from fr_brain.analyzers.volume.masks import Masks
from fr_brain.analyzers.volume.normalize import WHITE, Codes, Evened
from fr_brain.analyzers.volume.thresholds import MARGIN_MM, Levels, mirrored

MIN_ML = 0.004
"""Smaller pieces are noise or vessels."""

_MAX_ML = 200.0
_MIN_VOXELS = 3
_ISLAND_TOUCH_MAX = 0.12
# What tells a lesion from a patch of grey matter under a field that is not quite even, from noise
# and from white matter on T1: it rises above the flank and out of its surroundings, and it ends:
# few voxels right around it are above half of its rise.
_RISE_MIN = 1.04
_CONTRAST_MIN = 1.1
_SPREAD_MAX = 0.3
# Voxels this coarse (the edge of a cube as large) mix grey matter and fluid until the cortex' own
# texture stands out and hangs together: a piece begins where it must be lesion, and all of it must
# lie above the flank in the mean. On tuning heads lesions did by 1.04 and more, cortex to 1.02.
_COARSE_MM, _MEAN_MIN = 2.25, 1.03
_AROUND_MM = 3.5
_REGROW_MM = 1.5
# The least rise over the smoothed noise. On tuning heads what was none (3 pieces on 180 heads of
# 128 cubed voxels) had 4.75 to 5.3; of about 1,150 lesions 3 had 5.05 to 5.31, none less; on T1,
# where the ends of the ventricles lie in white matter too, those that are told only by being
# darker than grey matter need more (ventricles: up to 18).
_CNR_MIN, _CNR_MIN_T1, _CNR_MIN_DARK = 5.4, 6.0, 20.0
_SAMPLED_MIN = 16  # a piece of so many voxels has about two among every eighth
_PIECES_MAX = 400  # a bound on work; an image with more is no image of lesions


@dataclass(frozen=True)
class Region:
    """One lesion."""

    voxels: int
    """Above half of the rise from the surroundings to the lesion's bright part."""
    centroid: tuple[float, float, float]
    """Mean canonical voxel index: z, y, x."""
    extent: tuple[int, int, int]
    """Voxels along z, y, x of the box that holds it."""
    ratio: float
    """Mean intensity over that of white matter."""
    cnr: float
    """Rise of its brighter half out of its surroundings over the noise after smoothing."""


@dataclass(frozen=True)
class Found:
    """All lesions."""

    regions: list[Region]
    """The largest first."""
    labels: npt.NDArray[np.uint16]
    """Shape of the codes: n where region n (from 1) is."""


def find_lesions(
    evened: Evened,
    masks: Masks,
    levels: Levels,
    mm: tuple[float, float, float],
    voxel_ml: float,
    *,
    dark: bool,
) -> Found:
    """Find and measure them.

    Raises:
        Unfit: there are more bright pieces than any brain has lesions.
    """
    inner = masks.brain & (masks.depth > MARGIN_MM)
    pieces: list[Piece] = []
    taken = np.zeros(evened.codes.shape, np.bool_)
    if not dark:
        begin = levels.seed if _is_coarse(voxel_ml) else levels.grow
        passes = [(inner, begin, levels.seed, _CNR_MIN)]
    else:
        # The second finds those that touch grey matter but are darker.
        passes = [
            (masks.brain, levels.zone_grow, levels.zone_seed, _CNR_MIN_T1),
            (masks.brain, levels.below_grey, levels.below_grey, _CNR_MIN_DARK),
        ]
    for where, limit, seed, least in passes:
        found = _pass(evened, where, inner, limit, seed, levels, mm, voxel_ml, taken, dark=dark)
        pieces += [piece for piece in found if piece.cnr >= least]
    del taken
    regions = sorted(
        ((_region(evened, piece), piece) for piece in pieces),
        key=lambda item: (-item[0].voxels, item[0].centroid),
    )
    out = np.zeros(evened.codes.shape, np.uint16)
    for number, (_, piece) in enumerate(regions, 1):
        out[piece.box][piece.mask] = number
    return Found([region for region, _ in regions], out)


@dataclass(frozen=True)
class Piece:
    """One lesion's voxels in a box of the codes."""

    box: tuple[slice, ...]
    mask: Bools
    cnr: float


def _pass(
    evened: Evened,
    where: Bools,
    inner: Bools,
    limit: int,
    seed: int,
    levels: Levels,
    mm: tuple[float, float, float],
    voxel_ml: float,
    taken: Bools,
    *,
    dark: bool,
) -> list[Piece]:
    """Lesions above one limit in the blocks ``where``; those that reach out of ``inner`` are
    none. What is ``taken`` is left, what is found is added to it."""
    codes = evened.codes
    above = np.empty(codes.shape, np.bool_)
    for part in evened.slabs():
        if dark:
            np.less_equal(codes[part], 2 * WHITE - limit, out=above[part])
        else:
            np.greater_equal(codes[part], limit, out=above[part])
        above[part] &= evened.spread(where, part)
    labels: Labels = cc3d.connected_components(above.view(np.uint8), connectivity=18)
    del above
    # Lesions fill a thousandth of the box: statistics on their voxels alone.
    places = _places(labels, evened, _MAX_ML / voxel_ml if dark else math.inf)
    if not places.size:
        return []
    own = labels.ravel()[places]
    values = codes.ravel()[places]
    if dark:
        values = mirrored(values)
    sizes = np.bincount(own)
    fits = np.zeros(len(sizes), np.bool_)
    fits[own[values >= seed]] = True
    fits &= (sizes >= max(_MIN_VOXELS, MIN_ML / voxel_ml)) & (sizes <= _MAX_ML / voxel_ml)
    if dark:
        fits[own[~evened.spread(inner).ravel()[places]]] = False
    kept = np.flatnonzero(fits)
    if len(kept) > _PIECES_MAX:
        raise Unfit(f"{len(kept)} separate bright spots in the brain: noise or another contrast.")
    chosen = fits[own]
    places, own = places[chosen], own[chosen]
    by_label = np.argsort(own, kind="stable")
    ends = np.searchsorted(own[by_label], kept, side="right")
    pieces = []
    margin = [math.ceil(_AROUND_MM / edge) for edge in mm]
    regrow = [max(1, round(_REGROW_MM / edge)) for edge in mm]
    for label, end in zip(kept, ends, strict=True):
        positions = np.unravel_index(places[by_label[end - sizes[label] : end]], labels.shape)
        box = tuple(
            slice(max(0, int(axis.min()) - more), int(axis.max()) + more + 1)
            for axis, more in zip(positions, margin, strict=True)
        )
        around = mirrored(codes[box]) if dark else codes[box]
        measured = _measure(around, labels[box], int(label), limit, levels, regrow, dark=dark)
        if measured is None:
            continue
        grown, cnr = measured
        if not dark and _is_coarse(voxel_ml) and around[grown].mean() < _MEAN_MIN * levels.grow:
            continue
        grown &= ~taken[box]
        if np.count_nonzero(grown) >= _MIN_VOXELS:
            taken[box] |= grown
            pieces.append(Piece(box, grown, cnr))
    return pieces


def _is_coarse(voxel_ml: float) -> bool:
    return voxel_ml * 1000 > _COARSE_MM**3


def _places(labels: Labels, evened: Evened, most: float) -> npt.NDArray[np.intp]:
    """Where labels are, without the pieces of more voxels than ``most``.

    On T1 grey matter is above the limit too, and a list of all its voxels would be long. What may
    be so large is told from every eighth voxel: what is missed there makes the list longer only.
    """
    large = []
    if most < math.inf:
        sampled = np.bincount(labels[::2, ::2, ::2].ravel())
        sampled[0] = 0
        for label in np.flatnonzero(sampled > most / _SAMPLED_MIN).tolist():
            count = sum(np.count_nonzero(labels[part] == label) for part in evened.slabs())
            if count > most:
                large.append(label)
    found = []
    for part in evened.slabs():
        own = labels[part]
        wanted = own != 0
        for label in large:
            wanted &= own != label
        places = np.flatnonzero(wanted)
        places += part.start * math.prod(labels.shape[1:])
        found.append(places)
    return np.concatenate(found)


def _measure(
    codes: Codes,
    labels: Labels,
    label: int,
    limit: int,
    levels: Levels,
    regrow: list[int],
    *,
    dark: bool,
) -> tuple[Bools, float] | None:
    """Its voxels in the box of one piece and its cnr; None if it is no lesion."""
    piece = labels == label
    if not dark:
        # Where the field is not quite even, cortex above the limit can hang on a lesion: what is
        # far from all that must be lesion is none.
        core = piece & (codes >= levels.seed)
        for axis, steps in enumerate(regrow):
            for _ in range(steps):
                core = _widen(core, axis)
        piece &= core
    inside = np.sort(codes[piece])
    near = piece
    for axis, steps in enumerate(regrow):
        for _ in range(steps):
            near = _widen(near, axis)
    free = codes < limit if dark else labels == 0
    around = codes[free & ~near]
    if not around.size:
        return None
    bright = float(inside[len(inside) // 2 :].mean())
    surroundings = float(np.median(around))
    if dark:
        # Not brighter than all tissue: it must lie in white matter, touching nothing as bright.
        once = piece
        for axis in range(3):
            once = _widen(once, axis)
        ring = once & ~piece
        touching = np.count_nonzero(codes[ring] >= limit)
        if touching > _ISLAND_TOUCH_MAX * np.count_nonzero(ring):
            return None
        if abs(surroundings - levels.white) > 4 * levels.sigma:
            return None
    elif bright < _RISE_MIN * levels.grow or bright < _CONTRAST_MIN * surroundings:
        return None
    # The threshold hangs on the brain's noise; where a lesion ends does not.
    upper = codes >= (bright + surroundings) / 2
    ring = near & ~piece
    if np.count_nonzero(upper & ring) > _SPREAD_MAX * np.count_nonzero(ring):
        return None
    grown = near & upper & (piece | free)
    return grown, (bright - surroundings) / levels.sigma


def _region(evened: Evened, piece: Piece) -> Region:
    positions = np.nonzero(piece.mask)
    start = [part.start + whole.start for part, whole in zip(piece.box, evened.box, strict=True)]
    centroid = [float(axis.mean()) + first for axis, first in zip(positions, start, strict=True)]
    extent = [int(axis.max()) - int(axis.min()) + 1 for axis in positions]
    return Region(
        voxels=len(positions[0]),
        centroid=(centroid[0], centroid[1], centroid[2]),
        extent=(extent[0], extent[1], extent[2]),
        ratio=float(evened.codes[piece.box][piece.mask].mean()) / WHITE,
        cnr=piece.cnr,
    )


def _widen(mask: Bools, axis: int) -> Bools:
    out = mask.copy()
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] |= mask[tuple(behind)]
    out[tuple(behind)] |= mask[tuple(ahead)]
    return out
