"""The intracranial space at full resolution: from the brain's surface outwards to the skull."""

from dataclasses import dataclass

import numpy as np

from fr_brain.analyzers.volume.bitmask import (
    Bitmask,
    Spacing,
    close_ball,
    dilate_ball,
    dilate_box,
    dilate_octahedron,
    pack,
    unpack,
)
from fr_brain.analyzers.volume.image import Bools, CoarseImage, distance_to
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import INTENSITY_LEVELS, NormalizedImage

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


def blocks_around(coarse: CoarseImage, masks: CoarseMasks) -> Bools:
    """The brain's blocks and those next to them."""
    reach = max(coarse.spacing_mm) + 0.1
    return distance_to(masks.brain, coarse.spacing_mm, reach + 1) <= reach


@dataclass(frozen=True)
class IntracranialMasks:
    """Masks of the box, a bit a voxel: packed along x, the first voxel in the lowest bit."""

    brain: Bitmask
    """Tissue and what it encloses."""
    intracranial: Bitmask
    """Out to the skull, with the fluid around the brain."""
    columns: int
    """Voxels along x."""

    def of(self, bitmask: Bitmask, planes: slice = slice(None)) -> Bools:
        """The voxels of some planes of a mask."""
        return unpack(bitmask[planes], self.columns)


def find_intracranial(
    normalized: NormalizedImage,
    masks: CoarseMasks,
    tissue: int,
    spacing_mm: Spacing,
    *,
    t1_like: bool,
) -> IntracranialMasks:
    """Brain and intracranial space.

    Args:
        evened: the box.
        masks: head and brain, coarse.
        tissue: codes from this on are brain tissue.
        mm: distance of voxels along z, y, x.
        dark: whether grey matter is darker than white, as on T1.
    """
    depth, rows, columns = normalized.intensities.shape
    brain = np.empty((depth, rows, (columns + 7) // 8), np.uint8)
    may = np.empty_like(brain)
    core = masks.depth > _CORE_MM
    for part in normalized.slabs():
        own = normalized.intensities[part] >= tissue
        may[part] = pack(own)
        own &= normalized.upsample(masks.brain, part)
        own |= normalized.upsample(core, part)
        brain[part] = pack(own)
    brain = dilate_box(brain, _TISSUE_MM, spacing_mm, may)
    within = close_ball(brain, columns, _CLOSING_MM[t1_like], spacing_mm)
    if t1_like:
        # Marrow and fat are as bright as tissue.
        around = dilate_octahedron(within, _FLUID_MM, spacing_mm)
        inside = around & (within | ~may)
    else:
        around = inside = dilate_ball(within, _FLUID_MM, spacing_mm)
    level = _skull_threshold(normalized, masks, around, spacing_mm, _FLUID_WEIGHT[t1_like])
    for part in normalized.slabs():
        own = normalized.intensities[part] >= level
        if masks.stripped:
            own &= normalized.upsample(masks.head, part)
        may[part] = pack(own)
    may &= inside
    may |= brain
    return IntracranialMasks(brain, may, columns)


def _skull_threshold(
    normalized: NormalizedImage,
    masks: CoarseMasks,
    around: Bitmask,
    spacing_mm: Spacing,
    weight: float,
) -> int:
    """Code half way between fluid and what lies around the space."""
    shell = dilate_box(around, _SKULL_MM, spacing_mm, least=1) & ~around
    columns = normalized.intensities.shape[2]
    rim = np.zeros(INTENSITY_LEVELS, np.int64)
    for part in normalized.slabs()[::2]:
        rim += np.bincount(
            normalized.intensities[part][unpack(shell[part], columns)], minlength=INTENSITY_LEVELS
        )
    deep = normalized.intensities[::2, ::2, ::2][
        normalized.upsample(masks.depth >= _DEEP_MM)[::2, ::2, ::2]
    ]
    if not deep.size or not rim.any():
        return _FLUID_MAX // 2
    fluid = min(_FLUID_MAX, float(np.quantile(deep, _FLUID_QUANTILE)))
    sums = np.cumsum(rim)
    skull = int(np.searchsorted(sums, _SKULL_QUANTILE * sums[-1]))
    return max(1, round(min(weight * fluid + (1 - weight) * skull, _EDGE_MAX * fluid)))
