"""The brain of a T1 is found although fat around it is brighter than white matter."""

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.bright_fat import find_masks_in_fat, refine_in_fat
from fr_brain.analyzers.volume.image import CoarseImage, UnreadableImage
from fr_brain.analyzers.volume.masks import find_masks
from fr_brain.analyzers.volume.segment import segment
from tests.fr_brain.analyzers.volume.heads import dice, scan_of

MM = 4.0
VOXEL_ML = 0.001  # of voxels of 1 mm


def head(fat: float) -> tuple[CoarseImage, npt.NDArray[np.bool_]]:
    """Blocks of a head of shells with a neck, and its brain."""
    z, y, x = np.meshgrid(*(MM * (np.arange(56) - 28),) * 3, indexing="ij")
    radius = np.sqrt((x / 0.85) ** 2 + y**2 + (z / 0.9) ** 2)
    image = np.full(radius.shape, 0.01)
    neck = (np.hypot(x, y + 10) < 50) & (z < -40)
    image[neck] = 0.5 * fat
    image[radius < 96] = fat
    image[radius < 88] = 0.3
    image[radius < 76] = 0.7
    image[radius < 60] = 1.0
    image[radius < 12] = 0.2
    image += np.random.default_rng(3).normal(0, 0.01, image.shape)
    voxels = np.full(image.shape, MM**3, np.float32)
    mean = image.astype(np.float32)
    return CoarseImage(mean, (4, 4, 4), (MM, MM, MM), voxels, 0), radius < 76


@pytest.mark.parametrize("fat", [1.3, 1.8, 2.4])
def test_the_brain_is_found_in_bright_fat(fat: float) -> None:
    coarse, brain = head(fat)
    masks = find_masks_in_fat(coarse, VOXEL_ML)
    assert dice(masks.brain, brain) > 0.95
    again = refine_in_fat(masks, coarse, coarse.mean, 0.7, VOXEL_ML)
    assert dice(again.brain, brain) > 0.95


def test_a_head_whose_fat_is_not_bright_is_left_to_otsus_threshold() -> None:
    coarse, _ = head(0.8)
    with pytest.raises(UnreadableImage, match="not bright"):
        find_masks_in_fat(coarse, VOXEL_ML)


def test_a_t1_whose_brain_is_lost_to_otsus_threshold_is_read() -> None:
    coarse, brain = head(2.4)
    with pytest.raises(UnreadableImage, match="separated"):
        find_masks(coarse, VOXEL_ML)
    array = coarse.mean
    for axis in range(3):
        array = np.repeat(array, 2, axis=axis)
    array = array + np.random.default_rng(4).normal(0, 0.02, array.shape).astype(np.float32)
    scan, voxels = scan_of(array.T, np.diag([2.0, 2, 2, 1]))
    found = segment(scan.model_copy(update={"scan_type": "t1"}), voxels)
    assert found.t1_like
    assert found.volumes_ml["intracranial"] == pytest.approx(brain.sum() * MM**3 / 1000, rel=0.12)
    with pytest.raises(UnreadableImage, match="separated"):
        segment(scan.model_copy(update={"scan_type": "flair"}), voxels)
