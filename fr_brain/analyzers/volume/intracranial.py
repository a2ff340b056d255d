"""Brain and intracranial space at full resolution, from the brain's surface outwards to the skull.

Own method. ``METHOD.md`` explains the constants.
"""

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

_TISSUE_MM = 2.0  # tissue this near to the coarse brain, and connected with it, is brain
_CLOSING_MM = (8.0, 10.0)  # radius that closes sulci and cisterns, on FLAIR and T1
_FLUID_MM = 2.0  # layer of fluid around the closed brain
_SKULL_MM = 1.0  # shell around that layer, in which the skull is read
_SKULL_QUANTILE = 0.1  # of the intensities there: bone
_FLUID_WEIGHT = (0.15, 0.05)  # threshold between bone (0) and fluid (1), on FLAIR and T1
_THRESHOLD_MAX = 0.9  # of fluid
_DEEP_MM = 12.0  # depth of the deep brain
_CORE_MM = 4.2  # deeper blocks lie wholly inside the brain
_FLUID_QUANTILE = 0.005  # of the deep brain: the fluid of the ventricles
_FAT = 1200  # normalized intensity of bright fat on T1: no tissue near the brain's edge has it
_RIM_MM = 3.0  # outer layer inside the skull: cortex and fluid
_FAT_EDGE_MM = 2.0  # voxels this near to fat are mixed with it
_SHEET_MM = 3.0  # radius of the ball that fits into brain, but not into dura or scalp
_FLUID_MAX = 700  # normalized intensity below which lies no tissue


def blocks_around(coarse: CoarseImage, masks: CoarseMasks) -> Bools:
    """The blocks of the brain and those next to them; booleans of the coarse image."""
    reach = max(coarse.spacing_mm) + 0.1
    return distance_to(masks.brain, coarse.spacing_mm, reach + 1) <= reach


@dataclass(frozen=True)
class IntracranialMasks:
    """Bitmasks of the brain's box."""

    brain: Bitmask
    """Tissue and what it encloses."""
    intracranial: Bitmask
    """All inside the skull, with the fluid around the brain."""
    columns: int
    """Voxels along x."""

    def unpacked(self, bitmask: Bitmask, planes: slice = slice(None)) -> Bools:
        """A bitmask of the box, or some of its planes, as booleans (axes z, y, x)."""
        return unpack(bitmask[planes], self.columns)

    def label_planes(self) -> tuple[Bitmask, Bitmask]:
        """The bits, lowest first, of labels: 1 where brain is, 2 elsewhere inside the skull."""
        return self.brain, self.intracranial & ~self.brain


def find_intracranial(
    normalized: NormalizedImage,
    masks: CoarseMasks,
    tissue: int,
    spacing_mm: Spacing,
    *,
    t1_like: bool,
    in_fat: bool,
) -> IntracranialMasks:
    """Find brain and intracranial space.

    Args:
        normalized: the box.
        masks: head and brain, a block each.
        tissue: the least normalized intensity of brain tissue.
        spacing_mm: distance between voxels along z, y, x, mm.
        t1_like: whether grey matter is darker than white, as on T1.
        in_fat: whether fat is bright, so that what is brighter than tissue is left out.
    """
    depth, rows, columns = normalized.intensities.shape
    brain = np.empty((depth, rows, (columns + 7) // 8), np.uint8)
    allowed = np.empty_like(brain)
    core = masks.depth > _CORE_MM
    for part in normalized.slabs():
        mask = normalized.intensities[part] >= tissue
        allowed[part] = pack(mask)
        mask &= normalized.upsample(masks.brain, part)
        mask |= normalized.upsample(core, part)
        brain[part] = pack(mask)
    fat = _near_fat(normalized, core, spacing_mm) if in_fat else None
    if fat is not None:
        allowed &= ~fat
        brain &= ~fat
        brain = _off_sheets(brain, normalized, core, spacing_mm)
    brain = dilate_box(brain, _TISSUE_MM, spacing_mm, allowed)
    within = close_ball(brain, columns, _CLOSING_MM[t1_like], spacing_mm)
    if t1_like:
        # On T1 marrow and fat are as bright as tissue, so tissue counts only inside the brain.
        around = dilate_octahedron(within, _FLUID_MM, spacing_mm)
        inside = around & (within | ~allowed)
    else:
        around = inside = dilate_ball(within, _FLUID_MM, spacing_mm)
    if fat is not None:
        inside = inside & ~fat
    level = _skull_threshold(normalized, masks, around, spacing_mm, _FLUID_WEIGHT[t1_like])
    for part in normalized.slabs():
        mask = normalized.intensities[part] >= level
        if masks.stripped:
            mask &= normalized.upsample(masks.head, part)
        allowed[part] = pack(mask)
    allowed &= inside
    allowed |= brain
    return IntracranialMasks(brain, allowed, columns)


def bright_rim(
    normalized: NormalizedImage, masks: IntracranialMasks, level: int, spacing_mm: Spacing
) -> float:
    """The share of the outer 3 mm inside the skull that is brighter than a level, 0 to 1.

    Cortex and fluid are there, so on T1 what is as bright as white matter is mostly fat.

    Args:
        normalized: the box.
        masks: brain and intracranial space.
        level: a normalized intensity.
        spacing_mm: distance between voxels along z, y, x, mm.
    """
    outside = ~masks.intracranial
    # The bits that fill the last byte of a row are no voxels.
    outside[..., -1] &= np.uint8(0xFF >> -masks.columns % 8)
    outside = dilate_box(outside, _RIM_MM, spacing_mm)
    rim = masks.intracranial & outside
    bright = total = 0
    for part in normalized.slabs():
        intensities = normalized.intensities[part][masks.unpacked(rim, part)]
        total += intensities.size
        bright += int(np.count_nonzero(intensities > level))
    return bright / max(1, total)


def _off_sheets(
    brain: Bitmask, normalized: NormalizedImage, core: Bools, spacing_mm: Spacing
) -> Bitmask:
    """Tissue without sheets that are too thin for brain, such as dura between fat and fluid;
    ``core`` (booleans, a block each) keeps all of its tissue."""
    deep = np.empty_like(brain)
    for part in normalized.slabs():
        deep[part] = pack(normalized.upsample(core, part))
    thick = ~dilate_ball(~(brain | deep), _SHEET_MM, spacing_mm)
    return brain & (dilate_ball(thick, _SHEET_MM, spacing_mm) | deep)


def _near_fat(normalized: NormalizedImage, core: Bools, spacing_mm: Spacing) -> Bitmask:
    """Fat and what is mixed with it, outside of ``core`` (booleans, a block each)."""
    depth, rows, columns = normalized.intensities.shape
    fat = np.empty((depth, rows, (columns + 7) // 8), np.uint8)
    inner = np.empty_like(fat)
    for part in normalized.slabs():
        deep = normalized.upsample(core, part)
        inner[part] = pack(deep)
        fat[part] = pack((normalized.intensities[part] >= _FAT) & ~deep)
    return dilate_octahedron(fat, _FAT_EDGE_MM, spacing_mm) & ~inner


def _skull_threshold(
    normalized: NormalizedImage,
    masks: CoarseMasks,
    around: Bitmask,
    spacing_mm: Spacing,
    weight: float,
) -> int:
    """Normalized intensity between the fluid of the ventricles and the bone around the space."""
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
    return max(1, round(min(weight * fluid + (1 - weight) * skull, _THRESHOLD_MAX * fluid)))
