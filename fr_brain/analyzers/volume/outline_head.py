"""Head, brain and bias field on blocks: by Otsu's threshold, or as on a T1 with bright fat.

Own method; ``METHOD.md`` explains the steps and their constants.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.bright_fat import find_masks_in_fat, refine_in_fat
from fr_brain.analyzers.volume.field import BiasField, fit_field
from fr_brain.analyzers.volume.image import CoarseImage, UnreadableImage
from fr_brain.analyzers.volume.masks import (
    CoarseMasks,
    edge_fraction,
    find_masks,
    is_other_brain,
    refine_brain_mask_t1,
)
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.strong_field import (
    FindMasks,
    Shape,
    find_again,
    fit_first,
    is_strong,
)

_AT_EDGE_MAX = 0.06  # fraction of the brain's blocks at the edge of the field of view
_DEEP_MM = 12.0  # depth of the deep brain
_WHITE_QUANTILE, _WHITE_MAX = 0.85, 1.1  # of the deep brain of a T1: white matter, at most
_T1_UNSURE = (0.88, 1.0)  # grey over white matter, where a contrast in the header decides
_T1_BELOW = 0.97  # grey over white matter, by intensity, below which an image is T1-like


@dataclass(frozen=True)
class HeadOutline:
    """Head, brain and field as first found."""

    masks: CoarseMasks
    field: BiasField
    strong: bool
    """Whether the field is strong, so that it was found twice."""
    t1_like: bool
    """Whether grey matter is darker than white, as on T1."""
    find: FindMasks
    """What found the masks."""
    in_fat: bool
    """Whether they were found as on a T1 with bright fat."""


def outline_head(
    scan: BrainScan, coarse: CoarseImage, shape: Shape, voxel_ml: float, to_mm: Matrix
) -> HeadOutline:
    """Find head, brain and field.

    On T1, fat that is brighter than white matter misleads Otsu's threshold, so the brain is looked
    for between fat and fluid; also where Otsu's threshold finds no brain, or its field was fitted
    on grey matter.

    Args:
        scan: the header.
        coarse: the blocks.
        shape: voxels of the volume along z, y, x.
        voxel_ml: volume of a voxel, ml.
        to_mm: index of a block (z, y, x) to mm in the scan's space, 3 x 4.

    Raises:
        UnreadableImage: the image shows no whole head, or its brain could not be found.
    """
    is_t1 = scan.declared_contrast == "t1"
    in_fat = _in_fat(scan, coarse, shape, voxel_ml, to_mm) if is_t1 else None
    if in_fat is not None:
        return in_fat
    try:
        outline = _outline_by(find_masks, scan, coarse, shape, voxel_ml)
    except UnreadableImage:
        in_fat = _in_fat(scan, coarse, shape, voxel_ml, to_mm, any_fat=True) if is_t1 else None
        if in_fat is None:
            raise
        return in_fat
    if not outline.t1_like:
        return outline
    if _is_misread(outline, coarse, shape):
        return _in_fat(scan, coarse, shape, voxel_ml, to_mm, any_fat=True) or outline
    return outline if is_t1 else _in_fat(scan, coarse, shape, voxel_ml, to_mm) or outline


def outline_t1_again(
    outline: HeadOutline, coarse: CoarseImage, shape: Shape, voxel_ml: float, to_mm: Matrix
) -> tuple[BiasField, CoarseMasks]:
    """Outline the brain of a T1 once more, now that field and grey matter are known; where another
    brain is found, the field, too. Arguments as for ``outline_head``."""
    field, masks = outline.field, outline.masks
    if field.grey is None:
        return field, masks
    refine = partial(refine_in_fat, to_mm=to_mm) if outline.in_fat else refine_brain_mask_t1
    blocks = coarse.mean * field.on_blocks(coarse, shape)
    masks = refine(masks, coarse, blocks, field.grey, voxel_ml)
    if is_other_brain(outline.masks, masks):
        # The field was fitted on too little or too much: fit and outline once more.
        again = fit_field(coarse, masks, shape)
        if again.inu_percent is not None and again.grey is not None and again.grey < _T1_BELOW:
            field, blocks = again, coarse.mean * again.on_blocks(coarse, shape)
            masks = refine(masks, coarse, blocks, again.grey, voxel_ml)
    return field, masks


def _in_fat(
    scan: BrainScan,
    coarse: CoarseImage,
    shape: Shape,
    voxel_ml: float,
    to_mm: Matrix,
    *,
    any_fat: bool = False,
) -> HeadOutline | None:
    """The outline of a T1 with bright fat; None if nothing was found that can be right."""
    find = partial(find_masks_in_fat, to_mm=to_mm, any_fat=any_fat)
    try:
        outline = _outline_by(find, scan, coarse, shape, voxel_ml, in_fat=True)
    except UnreadableImage:
        return None
    return outline if outline.t1_like and not _is_misread(outline, coarse, shape) else None


def _outline_by(
    find: FindMasks,
    scan: BrainScan,
    coarse: CoarseImage,
    shape: Shape,
    voxel_ml: float,
    *,
    in_fat: bool = False,
) -> HeadOutline:
    masks = find(coarse, voxel_ml)
    if edge_fraction(masks.brain) > _AT_EDGE_MAX:
        raise UnreadableImage(
            "The brain extends beyond the field of view: a part of it is missing."
        )
    field = fit_first(coarse, masks, shape, voxel_ml)
    strong = is_strong(field)
    if strong:
        masks, field = find_again(field, coarse, masks, shape, voxel_ml, find)
    return HeadOutline(masks, field, strong, _is_t1_like(field, scan), find, in_fat)


def _is_misread(outline: HeadOutline, coarse: CoarseImage, shape: Shape) -> bool:
    """Whether the deep brain of a T1 is brighter than white matter: then the field was fitted on
    grey matter."""
    deep = outline.masks.depth >= _DEEP_MM
    if not deep.any():
        return True
    values = (coarse.mean * outline.field.on_blocks(coarse, shape))[deep]
    return float(np.quantile(values, _WHITE_QUANTILE)) > _WHITE_MAX


def _is_t1_like(field: BiasField, scan: BrainScan) -> bool:
    """Whether grey matter is darker than white; the header decides where the image does not
    show it."""
    declared = scan.declared_contrast
    if field.grey is None or (
        declared in ("t1", "flair") and _T1_UNSURE[0] <= field.grey <= _T1_UNSURE[1]
    ):
        return declared == "t1"
    return field.grey < _T1_BELOW
