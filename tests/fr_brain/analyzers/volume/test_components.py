"""Measures of single lesions, and the list of their voxels."""

import math

import cc3d
import numpy as np
import pytest

from fr_brain.analyzers.volume.components import Component, measured, voxel_indices
from fr_brain.analyzers.volume.image import Bools, Labels
from fr_brain.analyzers.volume.normalize import NormalizedImage

SHAPE = (40, 36, 32)


def box_of(intensity: int) -> NormalizedImage:
    return NormalizedImage(
        np.full(SHAPE, intensity, np.uint16),
        (slice(8, 48), slice(4, 40), slice(12, 44)),
        (slice(2, 12), slice(1, 10), slice(3, 11)),
        (4, 4, 4),
    )


def test_a_lesion_is_measured_in_voxels_of_the_whole_image() -> None:
    mask = np.zeros((6, 7, 8), np.bool_)
    mask[1:3, 2:5, 3:7] = True
    wide = mask.copy()
    wide[0, 2:5, 3:7] = True  # partly filled
    box = slice(10, 16), slice(20, 27), slice(5, 13)
    component = Component(box, wide, mask, cnr=9.5, certain=True, small_logit=3.0)
    image = box_of(1500)
    image.intensities[11:13, 22:25, 8:10] = 1100  # half of the lesion
    lesion = measured(image, component)
    assert (lesion.voxels, lesion.with_partial) == (24, 36)
    assert lesion.corner == (10 + 1 + 8, 20 + 2 + 4, 5 + 3 + 12)
    assert lesion.extent == (2, 3, 4)
    assert lesion.centroid == (19.5, 27.0, 21.5)
    assert lesion.ratio == pytest.approx(1.3)
    assert (lesion.cnr, lesion.small_logit) == (9.5, 3.0)


def labelled() -> tuple[Labels, Bools]:
    """Two small components and a large one that reaches through all planes; the small ones."""
    above = np.zeros(SHAPE, np.bool_)
    above[3:6, 3:6, 3:6] = True
    above[30:33, 20:24, 3:6] = True
    small = above.copy()
    above[:, 10:18, 10:30] = True
    labels: Labels = cc3d.connected_components(above.view(np.uint8), connectivity=18)
    return labels, small


def test_all_labelled_voxels_are_listed() -> None:
    labels, _ = labelled()
    found = voxel_indices(labels, box_of(1000), math.inf)
    np.testing.assert_array_equal(found, np.flatnonzero(labels))


def test_voxels_of_components_that_are_too_large_are_left_out() -> None:
    labels, small = labelled()
    found = voxel_indices(labels, box_of(1000), 1000)
    np.testing.assert_array_equal(found, np.flatnonzero(small))
    # As large as the limit is not too large.
    found = voxel_indices(labels, box_of(1000), 40 * 8 * 20)
    np.testing.assert_array_equal(found, np.flatnonzero(labels))
