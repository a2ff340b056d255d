"""Head and brain of a T1 with bright fat, from what the middle of the head and a template tell.

Own method. Where fat is brighter than white matter, Otsu's threshold lies too high: grey matter is
lost, or the field is fitted on it as if it were white. But what lies deep in the upper head is
brain in any case, so its intensities bound those of tissue. Where fat and brain seem to touch, the
registered template cuts off what lies too far from it to be brain. ``METHOD.md`` explains the
constants.
"""

from dataclasses import replace

import numpy as np

from fr_brain.analyzers.volume.brain_shape import (
    COMPACT_T1,
    close_and_fill,
    compactness,
    largest,
    most_compact,
)
from fr_brain.analyzers.volume.image import (
    Bools,
    CoarseImage,
    Floats,
    UnreadableImage,
    distance_to,
)
from fr_brain.analyzers.volume.masks import (
    CoarseMasks,
    find_head,
    masks_of,
    tissue_level_t1,
)
from fr_brain.analyzers.volume.normalize import bounding_box
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.registration.brain_zone import share_inside
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap

_CORE_MM = 28.0  # depth below the surface of the head from which the middle begins
_UPPER_MM = 100.0  # below the top of the head: the middle ends above the face
_REACH_MM = 45.0  # in front of and behind the centre: the middle ends before the eyes
_TOP_MM2 = 2000.0  # area of the head's uppermost slice
_CORE_MIN = 200  # blocks of the middle
_WHITE_QUANTILE = 0.85  # of the middle of the head: white matter
_SHELL_MM = 20.0  # depth of the shell that holds scalp and fat
_FAT_QUANTILE = 0.9  # of that shell: fat
_FAT_MIN = 1.1  # fat over white matter, from which it is bright
_SKULL_MM = 16.0  # depth from which the brain is looked for: below scalp and most of the skull
_GREY = 0.7  # grey over white matter, before it is measured
_LEVELS = (0.45, 0.55, 0.65)  # of white matter: thresholds that are tried under an unknown field
_FAT_FIRST = 1.35  # over white matter, under an unknown field: brighter blocks are fat
_FACTORS = (1.0, 1.1)  # of the threshold halfway between fluid and grey matter, tried in turn
_DEEP_MM = 12.0  # depth of the deep brain
_FAT = 1.15  # over white matter, without the bias field: brighter blocks are fat
_OVERLAP_MIN = 0.88  # of the brain's tissue and the template's
_SHARE_MIN = 0.25  # share of the template's intracranial space, below which a block is no brain
_SHARE_EDGE = 0.6  # the same of blocks that are added at the edge
_CONTRAST_LEAST = 1e-3  # white over grey matter, minus 1: less is none, and no divisor
_MARGIN = 2  # blocks around the brain


def find_masks_in_fat(
    coarse: CoarseImage, voxel_ml: float, to_mm: Matrix, *, any_fat: bool = False
) -> CoarseMasks:
    """Find head and brain of a T1 with bright fat.

    Args:
        coarse: the block means.
        voxel_ml: volume of a voxel, ml.
        to_mm: index of a block (z, y, x) to mm in the scan's space, 3 x 4.
        any_fat: whether the brain is looked for even if fat is not bright.

    Raises:
        UnreadableImage: fat is not bright, or the image shows no whole head with a brain that fits
            the template.
    """
    head = find_head(coarse, voxel_ml)
    core = _middle(head.head, coarse)
    if head.stripped or np.count_nonzero(core) < _CORE_MIN:
        raise UnreadableImage("The image does not show a whole head.")
    white = float(np.quantile(coarse.mean[core], _WHITE_QUANTILE))
    if white <= 0:
        raise UnreadableImage("The middle of the head is empty.")
    shell = coarse.mean[head.head & (head.depth <= _SHELL_MM)]
    if not any_fat and float(np.quantile(shell, _FAT_QUANTILE)) < _FAT_MIN * white:
        raise UnreadableImage("Fat is not bright.")
    head = replace(head, inner=head.head & (head.depth > _SKULL_MM))
    normalized = coarse.mean / np.float32(white)
    found = most_compact(normalized, _LEVELS, _FAT_FIRST, head.inner, core, coarse, voxel_ml)
    if found is not None:
        brain = _cut_to_template(found[1], normalized, found[0], _GREY, coarse, to_mm)
        if brain is not None:
            return replace(masks_of(head, brain, found[0] * white, coarse), white=white)
    raise UnreadableImage("The brain could not be separated from the rest of the head.")


def refine_in_fat(
    masks: CoarseMasks,
    coarse: CoarseImage,
    normalized: Floats,
    grey: float,
    voxel_ml: float,
    to_mm: Matrix,
) -> CoarseMasks:
    """Outline the brain again, now that its bias field and grey matter are known.

    Args:
        masks: the first outline.
        coarse: the blocks.
        normalized: block means over white matter without the bias field; shape of ``coarse.mean``.
        grey: intensity of grey matter over white.
        voxel_ml: volume of a voxel, ml.
        to_mm: index of a block (z, y, x) to mm in the scan's space, 3 x 4.

    Returns:
        The masks with the new brain, or ``masks`` if the new one does not fit the template, or is
        not compact and the first one is more so.
    """
    core = masks.depth >= _DEEP_MM
    if not core.any():
        return masks
    level = tissue_level_t1(normalized[core], grey)
    levels = [factor * level for factor in _FACTORS]
    found = most_compact(normalized, levels, _FAT, masks.inner, core, coarse, voxel_ml)
    if found is None:
        return masks
    brain = _cut_to_template(found[1], normalized, found[0], grey, coarse, to_mm)
    if brain is None or compactness(brain, coarse) < min(
        COMPACT_T1, compactness(masks.brain, coarse)
    ):
        return masks
    return replace(masks, brain=brain, depth=distance_to(~brain, coarse.spacing_mm, _DEEP_MM))


def _cut_to_template(
    brain: Bools,
    normalized: Floats,
    level: float,
    grey: float,
    coarse: CoarseImage,
    to_mm: Matrix,
) -> Bools | None:
    """The brain without what lies outside the template's, but with the tissue next to it inside,
    closed and filled; None if it does not fit the template."""
    tissue = brain & (normalized > level)
    white = np.clip((normalized - grey) / max(1 - grey, _CONTRAST_LEAST), 0, 1) * tissue
    box = _box_around(brain)
    own = to_mm.copy()
    own[:, 3] += own[:, :3] @ [part.start for part in box]
    blocks = TissueMap((tissue - white)[box], white[box], brain[box].astype(np.float32), own)
    common, inside = share_inside(blocks)
    if common < _OVERLAP_MIN:
        return None
    share = np.zeros(brain.shape, np.float32)
    share[box] = inside
    tissue = largest(tissue & (share >= _SHARE_MIN))
    # The edge of the brain lies above the depth from which it was looked for; next to fat, a block
    # that looks like tissue is a mixture.
    step = max(coarse.spacing_mm) + 0.1
    near = distance_to(tissue, coarse.spacing_mm, step + 1) <= step
    off_fat = distance_to(normalized >= _FAT, coarse.spacing_mm, step + 1) > step
    tissue |= near & off_fat & (normalized > level) & (share >= _SHARE_EDGE)
    return close_and_fill(tissue, coarse)


def _box_around(mask: Bools) -> tuple[slice, slice, slice]:
    """The box of a mask, with a margin."""
    z, y, x = (
        slice(max(0, part.start - _MARGIN), min(n, part.stop + _MARGIN))
        for part, n in zip(bounding_box(mask), mask.shape, strict=True)
    )
    return z, y, x


def _middle(head: Bools, coarse: CoarseImage) -> Bools:
    """What is brain in any head: deep, above the face, and behind the eyes."""
    z_mm, y_mm, x_mm = coarse.spacing_mm
    slices = np.flatnonzero(np.count_nonzero(head, axis=(1, 2)) * y_mm * x_mm > _TOP_MM2)
    middle = distance_to(~head, coarse.spacing_mm, _CORE_MM + 1) >= _CORE_MM
    if not slices.size:
        return middle & False
    lowest = max(0, int(slices[-1] - _UPPER_MM / z_mm))
    middle[:lowest] = False
    rows = np.nonzero(head[lowest:])[1]
    centre = float(np.quantile(rows, (0.02, 0.98)).mean())
    middle[:, : max(0, int(centre - _REACH_MM / y_mm))] = False
    middle[:, int(centre + _REACH_MM / y_mm) + 1 :] = False
    return middle
