"""Bitmasks are dilated and closed as masks of bytes would be."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from fr_brain.analyzers.volume.bitmask import (
    close_ball,
    dilate_axis,
    dilate_ball,
    dilate_box,
    dilate_octahedron,
    pack,
    unpack,
)

SHAPE = (21, 23, 27)  # rows of no whole number of bytes
MM = (1.0, 1.0, 1.0)


def dots() -> npt.NDArray[np.bool_]:
    mask = np.zeros(SHAPE, np.bool_)
    mask[10, 11, 13] = mask[0, 0, 26] = mask[20, 5, 7] = mask[4, 22, 8] = True
    return mask


def test_a_box_dilates_across_bytes_but_not_around_the_ends() -> None:
    expected = ndimage.binary_dilation(dots(), np.ones((5, 5, 5)))
    found = unpack(dilate_box(pack(dots()), 2.0, MM), SHAPE[2])
    np.testing.assert_array_equal(found, expected)


def test_rows_of_whole_bytes_do_not_run_into_one_another() -> None:
    mask = np.zeros((3, 4, 16), np.bool_)
    mask[1, 1, 15] = mask[1, 3, 0] = True
    expected = ndimage.binary_dilation(mask, np.ones((1, 1, 3)))
    np.testing.assert_array_equal(unpack(dilate_axis(pack(mask), 2), 16), expected)


def test_an_octahedron_dilates() -> None:
    cross = ndimage.generate_binary_structure(3, 1)
    expected = ndimage.binary_dilation(dots(), cross, iterations=2)
    found = unpack(dilate_octahedron(pack(dots()), 2.0, MM), SHAPE[2])
    np.testing.assert_array_equal(found, expected)


def test_voxels_that_are_not_allowed_stay_clear() -> None:
    allowed = np.ones(SHAPE, np.bool_)
    allowed[11] = False
    found = unpack(dilate_box(pack(dots()), 2.0, MM, pack(allowed)), SHAPE[2])
    assert found[10, 11, 15]
    assert not found[11:14, 9:14, 11:16].any()


def test_voxels_larger_than_the_reach_are_dilated_only_by_the_least() -> None:
    bitmask = pack(dots())
    mm = (6.0, 6.0, 6.0)
    for same in (
        dilate_box(bitmask, 2.0, mm),
        dilate_octahedron(bitmask, 2.0, mm),
        dilate_ball(bitmask, 2.0, mm),
    ):
        np.testing.assert_array_equal(same, bitmask)
    assert unpack(dilate_box(bitmask, 2.0, mm, least=1), SHAPE[2]).sum() > 4


@pytest.mark.parametrize("mm", [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (3.0, 1.0, 1.0)], ids=str)
def test_a_cleft_is_closed_and_the_outside_stays(mm: tuple[float, float, float]) -> None:
    shape = tuple(round(48 / edge) for edge in mm)
    z, y, x = ((np.arange(n) + 0.5) * edge - 24 for n, edge in zip(shape, mm, strict=True))
    ball = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 18**2
    cleft = ball & (np.abs(x) > 3)
    found = unpack(close_ball(pack(cleft), shape[2], 8.0, mm), shape[2])
    assert cleft.sum() < 0.8 * ball.sum()
    assert found[ball].mean() > 0.94  # the cleft's mouth stays a groove
    assert found.sum() < 1.06 * ball.sum()
