"""Head and brain of a T1 with bright fat, from thresholds that the middle of the head gives.

Own method. Where fat is brighter than white matter, Otsu's threshold lies too high: grey matter is
lost, or the field is fitted on it as if it were white. But what lies deep in the upper head is
brain in any case, so its intensities bound those of tissue. ``METHOD.md`` explains the constants.
"""

from dataclasses import replace

import numpy as np

from fr_brain.analyzers.volume.brain_shape import COMPACT_T1, compactness, most_compact
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

_CORE_MM = 28.0  # depth below the surface of the head from which the middle begins
_UPPER_MM = 100.0  # below the top of the head: the middle ends above the face
_REACH_MM = 45.0  # in front of and behind the centre: the middle ends before the eyes
_TOP_MM2 = 2000.0  # area of the head's uppermost slice
_WHITE_QUANTILE = 0.85  # of the middle of the head: white matter
_SKULL_MM = 16.0  # depth from which the brain is looked for: below scalp and most of the skull
_SHELL_MM = 20.0  # depth of the shell that holds scalp and fat
_FAT_QUANTILE = 0.9  # of that shell: fat
_FAT_MIN = 1.1  # fat over white matter, from which it is bright
_LEVELS = (0.45, 0.55, 0.65)  # of white matter: thresholds that are tried
_FAT_FIRST = 1.35  # over white matter: brighter blocks are fat
_FACTORS = (1.0, 1.1)  # of the threshold halfway between fluid and grey matter, tried in turn
_DEEP_MM = 12.0  # depth of the deep brain
_FAT = 1.15  # over white matter, without the bias field: brighter blocks are fat
_CORE_MIN = 200  # blocks of the middle


def find_masks_in_fat(coarse: CoarseImage, voxel_ml: float) -> CoarseMasks:
    """Find head and brain of a T1 with bright fat.

    Args:
        coarse: the block means.
        voxel_ml: volume of a voxel, ml.

    Raises:
        UnreadableImage: fat is not bright, or the image shows no whole head with a whole brain.
    """
    head = find_head(coarse, voxel_ml)
    core = _middle(head.head, coarse)
    if head.stripped or np.count_nonzero(core) < _CORE_MIN:
        raise UnreadableImage("The image does not show a whole head.")
    white = float(np.quantile(coarse.mean[core], _WHITE_QUANTILE))
    shell = coarse.mean[head.head & (head.depth <= _SHELL_MM)]
    if float(np.quantile(shell, _FAT_QUANTILE)) < _FAT_MIN * white:
        raise UnreadableImage("Fat is not bright.")
    head = replace(head, inner=head.head & (head.depth > _SKULL_MM))
    levels = [share * white for share in _LEVELS]
    found = most_compact(
        coarse.mean, levels, _FAT_FIRST * white, head.inner, core, coarse, voxel_ml
    )
    if found is None:
        raise UnreadableImage("The brain could not be separated from the rest of the head.")
    return masks_of(head, found[1], found[0], coarse)


def refine_in_fat(
    masks: CoarseMasks, coarse: CoarseImage, normalized: Floats, grey: float, voxel_ml: float
) -> CoarseMasks:
    """Outline the brain again, now that its bias field and grey matter are known.

    Args:
        masks: the first outline.
        coarse: the blocks.
        normalized: block means over white matter without the bias field; shape of ``coarse.mean``.
        grey: intensity of grey matter over white.
        voxel_ml: volume of a voxel, ml.

    Returns:
        The masks with the new brain, or ``masks`` if the new one is not compact and the first one
        is more so.
    """
    core = masks.depth >= _DEEP_MM
    if not core.any():
        return masks
    level = tissue_level_t1(normalized[core], grey)
    levels = [factor * level for factor in _FACTORS]
    found = most_compact(normalized, levels, _FAT, masks.inner, core, coarse, voxel_ml)
    if found is None:
        return masks
    brain = found[1]
    if compactness(brain, coarse) < min(COMPACT_T1, compactness(masks.brain, coarse)):
        return masks
    return replace(masks, brain=brain, depth=distance_to(~brain, coarse.spacing_mm, _DEEP_MM))


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
