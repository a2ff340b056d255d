"""The intracranial space at full resolution: from the brain's surface outwards to the skull."""

from dataclasses import dataclass

import numpy as np

from fr_brain.analyzers.volume.bitmask import (
    Bits,
    Edges,
    closed,
    grown,
    packed,
    pointed,
    rounded,
    unpacked,
)
from fr_brain.analyzers.volume.image import Bools, Coarse, distance_to
from fr_brain.analyzers.volume.masks import Masks
from fr_brain.analyzers.volume.normalize import CODES, Evened

# The coarse outline cuts gyri: tissue that hangs together with the brain as near as this is of it.
_TISSUE_MM = 2.0
# The skull lies around the brain with its sulci and cisterns closed, with the dura and fluid
# between. Further out than this what is as bright as fluid is marrow or scalp.
_CLOSING_MM, _FLUID_MM = (8.0, 10.0), 2.0
# The skull is read where it is seen, in the next shell; there it is thin, so that by blur it is
# brighter than bone, and the edge lies nearer to it than to fluid. These were chosen together, for
# FLAIR and T1, on tuning heads by the volumes of fluid, on T1 also by Colin27's space.
_SKULL_MM, _SKULL_QUANTILE = 1.0, 0.1
_FLUID_WEIGHT = (0.15, 0.05)  # the edge, from the skull (0) to fluid (1)
_EDGE_MAX = 0.9  # of fluid: bone can be as bright as fluid on FLAIR
_DEEP_MM = 12.0
_CORE_MM = 4.2  # blocks deeper than this are wholly inside
# Where the darkest of the deep brain (fluid of the ventricles) is read: not the very darkest,
# which noise makes.
_FLUID_QUANTILE = 0.005
_FLUID_MAX = 700  # darker than tissue, in codes


def surroundings(coarse: Coarse, masks: Masks) -> Bools:
    """The brain's blocks and those next to them."""
    reach = max(coarse.spacing) + 0.1
    return distance_to(masks.brain, coarse.spacing, reach + 1) <= reach


@dataclass(frozen=True)
class Space:
    """Masks of the box, a bit a voxel: packed along x, the first voxel in the lowest bit."""

    brain: Bits
    """Tissue and what it encloses."""
    intracranial: Bits
    """Out to the skull, with the fluid around the brain."""
    columns: int
    """Voxels along x."""

    def of(self, bits: Bits, planes: slice = slice(None)) -> Bools:
        """The voxels of some planes of a mask."""
        return unpacked(bits[planes], self.columns)


def find_space(evened: Evened, masks: Masks, tissue: int, mm: Edges, *, dark: bool) -> Space:
    """Brain and intracranial space.

    Args:
        evened: the box.
        masks: head and brain, coarse.
        tissue: codes from this on are brain tissue.
        mm: distance of voxels along z, y, x.
        dark: whether grey matter is darker than white, as on T1.
    """
    depth, rows, columns = evened.codes.shape
    brain = np.empty((depth, rows, (columns + 7) // 8), np.uint8)
    may = np.empty_like(brain)
    core = masks.depth > _CORE_MM
    for part in evened.slabs():
        own = evened.codes[part] >= tissue
        may[part] = packed(own)
        own &= evened.spread(masks.brain, part)
        own |= evened.spread(core, part)
        brain[part] = packed(own)
    brain = grown(brain, _TISSUE_MM, mm, may)
    within = closed(brain, columns, _CLOSING_MM[dark], mm)
    if dark:
        # Marrow and fat are as bright as tissue.
        around = pointed(within, _FLUID_MM, mm)
        inside = around & (within | ~may)
    else:
        around = inside = rounded(within, _FLUID_MM, mm)
    level = _edge_level(evened, masks, around, mm, _FLUID_WEIGHT[dark])
    for part in evened.slabs():
        own = evened.codes[part] >= level
        if masks.stripped:
            own &= evened.spread(masks.head, part)
        may[part] = packed(own)
    may &= inside
    may |= brain
    return Space(brain, may, columns)


def _edge_level(evened: Evened, masks: Masks, around: Bits, mm: Edges, weight: float) -> int:
    """Code half way between fluid and what lies around the space."""
    shell = grown(around, _SKULL_MM, mm, least=1) & ~around
    columns = evened.codes.shape[2]
    rim = np.zeros(CODES, np.int64)
    for part in evened.slabs()[::2]:
        rim += np.bincount(evened.codes[part][unpacked(shell[part], columns)], minlength=CODES)
    deep = evened.codes[::2, ::2, ::2][evened.spread(masks.depth >= _DEEP_MM)[::2, ::2, ::2]]
    if not deep.size or not rim.any():
        return _FLUID_MAX // 2
    fluid = min(_FLUID_MAX, float(np.quantile(deep, _FLUID_QUANTILE)))
    sums = np.cumsum(rim)
    skull = int(np.searchsorted(sums, _SKULL_QUANTILE * sums[-1]))
    return max(1, round(min(weight * fluid + (1 - weight) * skull, _EDGE_MAX * fluid)))
