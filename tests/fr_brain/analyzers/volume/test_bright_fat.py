"""The brain of a T1 is found although fat around it is brighter than white matter."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.bright_fat import find_masks_in_fat, refine_in_fat
from fr_brain.analyzers.volume.image import CoarseImage, UnreadableImage
from fr_brain.analyzers.volume.masks import find_masks
from fr_brain.analyzers.volume.registration.template import (
    ORIGIN_MM,
    SPACING_MM,
    channels,
)
from tests.fr_brain.analyzers.volume.heads import dice

VOXEL_ML = 0.001  # of voxels of 1 mm
MARGIN = 5  # blocks around the template, for scalp and air
TO_MM = np.column_stack(
    [np.eye(3)[:, ::-1] * SPACING_MM, np.array(ORIGIN_MM) - MARGIN * SPACING_MM]
)
"""Index of a block (z, y, x) to mm."""


def head(fat: float) -> tuple[CoarseImage, npt.NDArray[np.bool_]]:
    """Blocks of a head with the template's brain below a layer of fat, and the space inside its
    skull."""
    grey, white, inside = (
        np.pad(channels()[name].T, MARGIN) for name in ("grey", "white", "inside")
    )
    z, y, x = ((SPACING_MM * (np.arange(n) - (n - 1) / 2)).astype(np.float32) for n in inside.shape)
    radius = np.sqrt(((z + 4)[:, None, None] / 92) ** 2 + (y[:, None] / 108) ** 2 + (x / 92) ** 2)
    image = np.where(radius < 1, np.float32(0.1), np.float32(0.01))
    image[(radius < 1) & (radius > 0.88) & (inside < 0.1)] = fat
    image = np.where(inside > 0.3, 0.2 * inside + 0.5 * grey + 0.8 * white, image)
    image += np.random.default_rng(3).normal(0, 0.01, image.shape)
    voxels = np.full(image.shape, SPACING_MM**3, np.float32)
    coarse = CoarseImage(image.astype(np.float32), (4, 4, 4), (SPACING_MM,) * 3, voxels, 0)
    return coarse, inside > 0.5


@pytest.mark.parametrize("fat", [1.3, 1.6, 1.8])
def test_the_brain_is_found_in_bright_fat(fat: float) -> None:
    coarse, brain = head(fat)
    masks = find_masks_in_fat(coarse, VOXEL_ML, TO_MM)
    assert dice(masks.brain, brain) > 0.9
    assert masks.white == pytest.approx(1, rel=0.06)
    again = refine_in_fat(masks, coarse, coarse.mean, 0.7, VOXEL_ML, TO_MM)
    assert dice(again.brain, brain) > 0.9


def test_otsus_threshold_alone_finds_no_brain_in_very_bright_fat() -> None:
    coarse, _ = head(1.8)
    with pytest.raises(UnreadableImage, match="separated"):
        find_masks(coarse, VOXEL_ML)


def test_a_head_whose_fat_is_not_bright_is_left_to_otsus_threshold() -> None:
    coarse, brain = head(0.8)
    with pytest.raises(UnreadableImage, match="not bright"):
        find_masks_in_fat(coarse, VOXEL_ML, TO_MM)
    assert dice(find_masks_in_fat(coarse, VOXEL_ML, TO_MM, any_fat=True).brain, brain) > 0.9


def test_what_does_not_fit_the_template_is_no_brain() -> None:
    """A ball has a brain's size and is compact."""
    coarse, _ = head(1.8)
    z, y, x = (SPACING_MM * (np.arange(n) - (n - 1) / 2) for n in coarse.mean.shape)
    radius = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    mean = np.where(radius < 74, np.float32(0.7), np.where(coarse.mean < 1.2, 0.1, coarse.mean))
    mean = np.where(radius < 30, np.float32(1), mean)
    ball = replace(coarse, mean=(mean * (coarse.mean > 0.05)).astype(np.float32))
    with pytest.raises(UnreadableImage, match="separated"):
        find_masks_in_fat(ball, VOXEL_ML, TO_MM)


def test_an_empty_head_has_no_brain() -> None:
    coarse, _ = head(1.8)
    z, y, x = (SPACING_MM * (np.arange(n) - (n - 1) / 2) for n in coarse.mean.shape)
    radius = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    shell = np.float32(1) * ((radius > 72) & (radius < 86))
    with pytest.raises(UnreadableImage, match="empty"):
        find_masks_in_fat(replace(coarse, mean=shell), VOXEL_ML, TO_MM)


def test_grey_matter_as_bright_as_white_is_no_division_by_zero() -> None:
    coarse, brain = head(1.6)
    masks = find_masks_in_fat(coarse, VOXEL_ML, TO_MM)
    white = (coarse.mean > 0.75) & (coarse.mean < 1.1)
    flat = replace(coarse, mean=np.where(white, np.float32(1), coarse.mean))
    again = refine_in_fat(masks, flat, flat.mean, 1.0, VOXEL_ML, TO_MM)
    assert dice(again.brain, brain) > 0.85
