"""Head and brain on the coarse image, by thresholds, depth and connected components.

Own method: tissue inside the skull's dark shell is cut off from face and neck by erosion and grown
back. Blocks are about 4 mm, so the outline is coarse. ``METHOD.md`` explains the constants.
"""

from dataclasses import dataclass, replace

import numpy as np

from fr_brain.analyzers.volume.brain_shape import (
    BRAIN_ML,
    close_and_fill,
    cut_free,
    find_brain,
    largest,
)
from fr_brain.analyzers.volume.image import (
    Bools,
    CoarseImage,
    Floats,
    UnreadableImage,
    distance_to,
    otsu,
)

_SPECK = 0.05  # voxels of a speck of the head, over those of its largest part
_SCALP_MM = 7.0  # depth from which the brain is looked for in a whole head
_PROFILE_MM = 24.0  # largest depth at which the skull is looked for
_DARK_SHELL = 0.3  # fraction of dark blocks in a shell that is a skull
_DIP_MAX = 0.7  # median of a shell that is a skull over that of a shell further out
_STRIPPED_ML = 2200.0  # what is larger has a skull
_MASKED_MAX = 0.005  # of the threshold: the median of air without noise
_BRAIN_EXTENT_MM = 75.0  # the least along each axis
_HEAD_ML = (1200.0, 7000.0)  # a head
_AIR_FRACTION_MIN = 0.1  # of the image
_DEPTH_MM = 12.0  # largest depth that is told apart
_FAT_T1 = 1.4  # over white matter, on T1: no tissue of the brain is this bright
_SAME_BRAIN = 0.93  # Dice coefficient of two outlines of a brain
_FLUID_QUANTILE = 0.005  # of the deep brain: the fluid of the ventricles


@dataclass(frozen=True)
class CoarseMasks:
    """Head and brain; all arrays have axes z, y, x, a block each."""

    head: Bools
    """All that is not air, closed and filled."""
    brain: Bools
    """Brain with ventricles and sulci: closed and filled."""
    depth: Floats
    """Depth below the surface of ``brain``, mm, at most 12."""
    inner: Bools
    """The head without its scalp."""
    tissue_level: float
    """Threshold between fluid and brain tissue, scaled as in ``CoarseImage.mean``."""
    stripped: bool
    """Whether scalp and skull were removed from the image."""
    head_ml: float
    """Volume of ``head``, ml."""
    white: float | None = None
    """Intensity of white matter, about, scaled as in ``CoarseImage.mean``; None if not known."""


@dataclass(frozen=True)
class HeadMask:
    """The head, before its brain is looked for; arrays have axes z, y, x, a block each."""

    head: Bools
    """All that is not air, closed and filled."""
    depth: Floats
    """Depth below the surface of ``head``, mm, at most 24."""
    inner: Bools
    """The head without its scalp."""
    stripped: bool
    """Whether scalp and skull were removed from the image."""
    head_ml: float
    """Volume of ``head``, ml."""
    level: float
    """Threshold between air and the rest, scaled as in ``CoarseImage.mean``."""


def find_head(coarse: CoarseImage, voxel_ml: float) -> HeadMask:
    """Find the head.

    Args:
        coarse: the block means.
        voxel_ml: volume of a voxel, ml.

    Raises:
        UnreadableImage: the image shows no head or only a part of one.

    Source: own; the threshold is Otsu's (1979).
    """
    level = otsu(coarse.mean)
    # Skin is dimmer than the threshold between air and bright tissue; noise in air is far dimmer.
    # Scalp and brain may be separate; specks are neither.
    head = close_and_fill(largest(coarse.mean > 0.6 * level, _SPECK), coarse)
    filled = float(head.mean())
    if filled > 1 - _AIR_FRACTION_MIN:
        raise UnreadableImage(
            f"Only {1 - filled:.0%} of the image is air: it does not show a whole head with air "
            "around it."
        )
    blocks_ml = coarse.voxels * np.float32(voxel_ml)
    head_ml = float(blocks_ml[head].sum(dtype=np.float64))
    depth = distance_to(~head, coarse.spacing_mm, _PROFILE_MM)
    stripped = (
        head_ml < _STRIPPED_ML
        and _is_masked(coarse.mean[~head], level)
        and not _has_skull(head, depth, coarse.mean, level)
    )
    if stripped:
        return HeadMask(head, depth, head, stripped, head_ml, level)
    if not _HEAD_ML[0] <= head_ml <= _HEAD_ML[1]:
        raise UnreadableImage(
            f"The object in the image measures {head_ml:.0f} ml; a head measures "
            f"{_HEAD_ML[0]:.0f} to {_HEAD_ML[1]:.0f} ml."
        )
    inner = head & (depth > _SCALP_MM)
    if not inner.any():
        raise UnreadableImage("The image shows nothing below the scalp.")
    return HeadMask(head, depth, inner, stripped, head_ml, level)


def find_masks(coarse: CoarseImage, voxel_ml: float, *, lower: bool = True) -> CoarseMasks:
    """Find head and brain.

    Args:
        coarse: the block means.
        voxel_ml: volume of a voxel, ml.
        lower: whether lower thresholds are tried where the brain is small or not compact.

    Raises:
        UnreadableImage: the image shows no head or only a part of one, or its brain cannot be
            separated from the rest.

    Source: own; the threshold is Otsu's (1979).
    """
    head = find_head(coarse, voxel_ml)
    if head.stripped:
        tissue_level = head.level
        brain = largest(head.head & (coarse.mean > tissue_level))
    else:
        tissue_level = otsu(coarse.mean[head.inner])
        tissue_level, brain = find_brain(coarse, head.inner, tissue_level, voxel_ml, lower=lower)
    blocks_ml = coarse.voxels * np.float32(voxel_ml)
    found_ml = float(blocks_ml[brain].sum(dtype=np.float64))
    if not BRAIN_ML[0] <= found_ml <= BRAIN_ML[1]:
        raise UnreadableImage(
            "The brain could not be separated from the rest of the head: the best candidate "
            f"measures {found_ml:.0f} ml, an adult's brain {BRAIN_ML[0]:.0f} to "
            f"{BRAIN_ML[1]:.0f} ml."
        )
    return masks_of(head, brain, tissue_level, coarse)


def masks_of(head: HeadMask, brain: Bools, tissue_level: float, coarse: CoarseImage) -> CoarseMasks:
    """The masks of a head whose brain was found.

    Args:
        head: the head.
        brain: the brain's tissue; it is closed and filled here.
        tissue_level: threshold between fluid and brain tissue.
        coarse: the blocks.

    Raises:
        UnreadableImage: the brain is only a part of one.
    """
    _check_extent(brain, coarse.spacing_mm)
    brain = close_and_fill(brain, coarse)
    return CoarseMasks(
        head=head.head,
        brain=brain,
        depth=distance_to(~brain, coarse.spacing_mm, _DEPTH_MM),
        inner=head.inner,
        tissue_level=tissue_level,
        stripped=head.stripped,
        head_ml=head.head_ml,
    )


def refine_brain_mask_t1(
    masks: CoarseMasks,
    coarse: CoarseImage,
    normalized: Floats,
    grey: float,
    voxel_ml: float,
) -> CoarseMasks:
    """Outline the brain of a T1 again, now that its bias field and grey matter are known.

    On T1 grey matter is dim, so Otsu's threshold under a bias field loses blocks of gyri, and with
    them the fluid around.

    Args:
        masks: the first outline.
        coarse: the blocks.
        normalized: block means over white matter without the bias field; shape of ``coarse.mean``.
        grey: intensity of grey matter over white.
        voxel_ml: volume of a voxel, ml.

    Returns:
        The masks with a new brain, or ``masks`` if the new one is implausible.
    """
    deep = normalized[masks.depth >= _DEPTH_MM]
    if masks.stripped or not deep.size:
        return masks
    level = tissue_level_t1(deep, grey)
    tissue = masks.inner & (normalized > level) & (normalized < _FAT_T1)
    brain = cut_free(tissue, coarse, voxel_ml)
    if brain is None:
        return masks
    return replace(masks, brain=brain, depth=distance_to(~brain, coarse.spacing_mm, _DEPTH_MM))


def tissue_level_t1(deep: Floats, grey: float) -> float:
    """The intensity over white matter that is halfway between fluid and grey matter on T1.

    Args:
        deep: the deep brain over white matter, not empty.
        grey: grey matter over white.
    """
    return (min(float(np.quantile(deep, _FLUID_QUANTILE)), grey / 2) + grey) / 2


def is_other_brain(one: CoarseMasks, other: CoarseMasks) -> bool:
    """Whether two outlines of a brain differ so much that one of them is wrong."""
    common = np.count_nonzero(one.brain & other.brain)
    both = np.count_nonzero(one.brain) + np.count_nonzero(other.brain)
    return bool(2 * common < _SAME_BRAIN * both)


def edge_fraction(mask: Bools) -> float:
    """The fraction of a mask's blocks that lie at the edge of the field of view, 0 to 1."""
    inside = int(np.count_nonzero(mask[1:-1, 1:-1, 1:-1]))
    return 1 - inside / max(1, int(np.count_nonzero(mask)))


def _check_extent(brain: Bools, spacing_mm: tuple[float, float, float]) -> None:
    for axis, name in enumerate(("foot to head", "back to front", "left to right")):
        others = tuple(other for other in range(3) if other != axis)
        extent = float(np.count_nonzero(brain.any(axis=others))) * spacing_mm[axis]
        if extent < _BRAIN_EXTENT_MM:
            raise UnreadableImage(
                f"The image shows only {extent:.0f} mm of the brain from {name}; a part of a brain "
                "cannot be analysed."
            )


def _is_masked(air: Floats, level: float) -> bool:
    """Whether the air was set to a constant, as whatever removes scalp and skull does: where it has
    noise, a small head is a child's, whose thin skull may not show in blocks of 4 mm."""
    return not air.size or float(np.median(air)) <= _MASKED_MAX * level


def _has_skull(head: Bools, depth: Floats, mean: Floats, level: float) -> bool:
    """Whether a shell of 4 mm, 4 to 20 mm below the surface, is as dark as a skull: many of its
    blocks are below ``level``, or it is far darker than a shell further out, where marrow and blur
    make bone bright."""
    brightest = 0.0
    for low in (4, 8, 12, 16):
        shell = mean[head & (depth > low) & (depth <= low + 4)]
        if not shell.size:
            continue
        middle = float(np.median(shell))
        if (shell < level).mean() >= _DARK_SHELL or middle < _DIP_MAX * brightest:
            return True
        brightest = max(brightest, middle)
    return False
