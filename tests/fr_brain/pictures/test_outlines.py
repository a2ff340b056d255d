"""Outlines are smooth, lie where the border is, and pass no voxel on its wrong side."""

import numpy as np
import pytest

from fr_brain.pictures.outlines import BORDER, contour, depth, edges, touch

SQUARE = (1.0, 1.0)


def test_a_voxel_is_deep_inside_if_and_only_if_it_is_of_the_mask() -> None:
    mask = np.random.default_rng(1).random((30, 40)) < 0.4
    for pixels in (SQUARE, (12.0, 1.5), (0.5, 9.0)):
        assert np.array_equal(depth(mask, pixels) > BORDER, mask)


def test_depth_is_the_distance_from_the_border_in_pixels() -> None:
    mask = np.zeros((9, 9), bool)
    mask[:, 4:] = True
    row = depth(mask, (2.0, 2.0))[4].astype(float)
    steps = np.diff(row[2:7])  # within reach, which is one and a half voxels
    assert row[3] + row[4] == pytest.approx(2 * BORDER, abs=1)
    assert steps[1] == pytest.approx(2 * BORDER * 2 / 3, abs=1)
    assert row[:2].max() <= 1
    assert row[7:].min() >= 254


def test_thick_slices_have_a_slope_in_place_of_steps() -> None:
    # A border that moves by 4 voxels a slice; slices are 8 pixels thick.
    mask = np.arange(60)[None] < 10 + 4 * np.arange(8)[:, None]
    depths = depth(mask, (8.0, 1.0)).astype(float)
    between = (depths[3] + depths[4]) / 2
    assert np.flatnonzero(between > BORDER).max() in (23, 24)  # half way from 21 to 25


def test_a_line_covers_a_pixel_and_a_half_just_outside_the_border() -> None:
    ramp = np.clip(20.0 * np.arange(-8, 8) + BORDER + 10, 0, 255)  # the border is at the middle
    stencil = contour(np.tile(ramp.astype(np.uint8), (5, 1)))
    assert stencil.shape == (3, 14)
    assert np.array_equal(stencil[0], stencil[2])
    line = stencil[1, :-1] / 255  # without the rim
    assert line.sum() == pytest.approx(1.5, abs=0.1)
    assert line.argmax() == 6  # the last pixel outside
    assert line[7] == pytest.approx(0.25, abs=0.05)


def test_nothing_has_no_border_and_all_has_the_rim() -> None:
    assert not contour(np.zeros((6, 6), np.uint8)).any()
    rim = contour(np.full((6, 6), 255, np.uint8))
    assert not rim[1:-1, 1:-1].any()
    assert (rim == 255).sum() == 12


def test_edges_follow_the_corners_of_regions_and_the_rim() -> None:
    labels = np.zeros((6, 6), np.int32)
    labels[2:4, 2:4] = 1
    expected = np.zeros((6, 6), bool)
    expected[1, 2:4] = expected[4, 2:4] = expected[2:4, 1] = expected[2:4, 4] = True
    assert np.array_equal(edges(labels) > 0, expected)
    assert (edges(np.ones((3, 3), np.int32)) > 0).sum() == 8


def test_regions_touch_if_their_labels_are_side_by_side() -> None:
    assert touch(np.array([[1, 2]]))
    assert touch(np.array([[3], [1]]))
    assert not touch(np.array([[1, 0, 2], [1, 0, 2]]))
    assert not touch(np.array([[1, 1], [0, 1]]))
