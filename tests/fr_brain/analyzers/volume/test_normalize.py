"""The box is normalized slab by slab, and the result does not depend on where slabs end."""

import numpy as np
import pytest
from scipy import ndimage

from fr_brain.analyzers.volume import normalize as normalize_module
from fr_brain.analyzers.volume.field import BiasField
from fr_brain.analyzers.volume.image import CanonicalImage, coarsen
from fr_brain.analyzers.volume.normalize import (
    INTENSITY_LEVELS,
    NormalizedImage,
    normalize,
    smoothing_kernel,
)

SHAPE = (26, 21, 19)


def normalized_noise(slab_voxels: int, mm: float) -> tuple[NormalizedImage, CanonicalImage]:
    """Noise without a bias field; the box is the whole image."""
    values = np.random.default_rng(3).random(SHAPE).astype(np.float32)
    image = CanonicalImage(values, (mm, mm, mm), 0.001, 0.0, 1.0, (2, 1, 0), (False,) * 3)
    coarse = coarsen(image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalize_module, "_SLAB_VOXELS", slab_voxels)
        found = normalize(
            image, coarse, np.ones(coarse.mean.shape, np.bool_), BiasField(np.eye(10)[0], 0.0)
        )
    return found, image


@pytest.mark.parametrize("mm", [1.0, 0.8, 2.0])
def test_the_smoothing_goes_on_over_the_ends_of_slabs(mm: float) -> None:
    intensities = normalized_noise(1, mm)[0].intensities
    np.testing.assert_array_equal(intensities, normalized_noise(1 << 20, mm)[0].intensities)
    expected = (1000 * normalized_noise(1, mm)[1].view).astype(np.uint16).astype(np.int64)
    for axis, weight in enumerate(smoothing_kernel((mm, mm, mm))):
        kernel = [weight, 16 - 2 * weight, weight]
        expected = (ndimage.correlate1d(expected, kernel, axis, mode="nearest") + 8) >> 4
    np.testing.assert_array_equal(intensities, expected)


def test_histograms_count_each_voxel_of_the_masks_once() -> None:
    box, _ = normalized_noise(1 << 20, 1.0)
    blocks = np.random.default_rng(4).random((7, 6, 5))
    outer, inner = blocks > 0.3, blocks > 0.6
    for mask, counts in zip((outer, inner), box.histograms(outer, inner), strict=True):
        expected = np.bincount(box.intensities[box.upsample(mask)], minlength=INTENSITY_LEVELS)
        np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("mm", [0.4, 0.5, 1.0, 2.0, 4.0])
def test_blocks_are_means_of_their_voxels(mm: float) -> None:
    _, image = normalized_noise(1, mm)
    coarse = coarsen(image)
    for block in np.ndindex(*coarse.mean.shape):
        part = tuple(slice(n * f, (n + 1) * f) for n, f in zip(block, coarse.factor, strict=True))
        assert coarse.mean[block] == pytest.approx(image.view[part].mean(dtype=np.float64), 1e-5)
