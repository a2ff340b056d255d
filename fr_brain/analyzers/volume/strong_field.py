"""A strong bias field, such as that of surface coils: found twice, and checked.

Under such a field Otsu's thresholds lose the dim side of a brain, and a quadratic does not follow
the field. So masks and field are found once more on what the first field corrected; two quadratics
make a quartic. ``METHOD.md`` explains the constants.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fr_brain.analyzers.volume.field import FIELD_MAX, BiasField, fit_field
from fr_brain.analyzers.volume.image import CoarseImage, UnreadableImage
from fr_brain.analyzers.volume.masks import CoarseMasks, find_masks, is_other_brain

STRONG_PERCENT = 50.0
"""Range of the field, %, from which it is found twice."""

Shape = tuple[int, int, int]
FindMasks = Callable[[CoarseImage, float], CoarseMasks]
"""Head and brain of blocks, given the volume of a voxel in ml; raises ``UnreadableImage``."""


def is_strong(field: BiasField) -> bool:
    """Whether a field is found twice; one that could not be fitted is not."""
    return field.inu_percent is not None and field.inu_percent > STRONG_PERCENT


def fit_first(coarse: CoarseImage, masks: CoarseMasks, shape: Shape, voxel_ml: float) -> BiasField:
    """The field of an image, a quadratic; where none fits the whole brain, that of a bright part.

    Under a strong field only a part of the brain is above the first threshold, but there the field
    can be read.

    Args:
        coarse: the blocks.
        masks: head and brain.
        shape: voxels of the volume along z, y, x.
        voxel_ml: volume of a voxel, ml.
    """
    field = fit_field(coarse, masks, shape)
    if field.inu_percent is not None:
        return field
    try:
        part = find_masks(coarse, voxel_ml, lower=False)
    except UnreadableImage:
        return field
    of_part = fit_field(coarse, part, shape)
    return field if of_part.inu_percent is None else of_part


def find_again(
    field: BiasField,
    coarse: CoarseImage,
    masks: CoarseMasks,
    shape: Shape,
    voxel_ml: float,
    find: FindMasks = find_masks,
) -> tuple[CoarseMasks, BiasField]:
    """Masks and field of an image under a strong field.

    Args:
        field: a first fit, a quadratic.
        coarse: the blocks.
        masks: head and brain as first found.
        shape: voxels of the volume along z, y, x.
        voxel_ml: volume of a voxel, ml.
        find: finds head and brain.

    Returns:
        New masks and a quartic; what was given where nothing better is found.
    """
    even = _evened(coarse, field, shape)
    try:
        again = find(even, voxel_ml)
    except UnreadableImage:
        return masks, field
    rest = fit_field(even, again, shape)
    return again, field if rest.inu_percent is None else rest.after(field)


def left_over_percent(
    field: BiasField,
    coarse: CoarseImage,
    masks: CoarseMasks,
    shape: Shape,
    voxel_ml: float,
    find: FindMasks = find_masks,
) -> float:
    """Range of the field that is still found in the corrected image, %; arguments as for
    ``find_again``. Infinite if the corrected image shows another brain or none, so that neither
    field nor outline can be trusted."""
    even = _evened(coarse, field, shape)
    try:
        again = find(even, voxel_ml)
    except UnreadableImage:
        return math.inf
    rest = fit_field(even, again, shape).inu_percent
    return math.inf if rest is None or is_other_brain(again, masks) else rest


def _evened(coarse: CoarseImage, field: BiasField, shape: Shape) -> CoarseImage:
    """The blocks without the field."""
    middle = float(field.weights[0])
    # Far from the brain the field is extrapolated, even to below 0.
    factor = np.clip(field.on_blocks(coarse, shape), middle / FIELD_MAX**2, middle * FIELD_MAX)
    return replace(coarse, mean=coarse.mean * factor)
