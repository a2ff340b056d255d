"""Lesions lie in white matter, apart from each other, within the ranges that were asked for."""

import itertools
import math

import numpy as np
import pytest

from fr_pacs.sources.phantom.draws import Draws
from fr_pacs.sources.phantom.lesions import PlacedLesion, place_lesions
from fr_pacs.sources.phantom.view import View, shares

SHAPE = (90, 108, 90)


def lesions(
    count: int, radius_mm: tuple[float, float] = (2.0, 5.0), seed: int = 1
) -> tuple[View, list[PlacedLesion]]:
    """Lesions in the view of a head."""
    streams = np.random.SeedSequence(seed).spawn(2)
    view = View(Draws(streams[0]), SHAPE)
    draws = Draws(streams[1])
    return view, place_lesions(draws, view, count=count, radius_mm=radius_mm, contrast=(1.4, 1.6))


def test_as_many_are_placed_as_fit() -> None:
    assert lesions(0)[1] == []
    assert len(lesions(6)[1]) == 6
    assert len(lesions(500, (4.0, 6.0))[1]) < 500


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_their_centres_are_in_white_matter(seed: int) -> None:
    view, placed = lesions(8, seed=seed)
    white = np.zeros(SHAPE[::-1])
    for where, rows, columns, slab in view.slabs({"white": 255}, 8):
        white[where, rows, columns] = slab / (255 * 256)
    assert placed
    for lesion in placed:
        x, y, z = (
            int(np.abs(mm - at).argmin())
            for mm, at in zip(view.axes, lesion.centre_mm, strict=True)
        )
        assert white[z, y, x] > 0.5  # of a voxel of 2 mm; the cell of 1 mm has over 0.9


def test_they_do_not_touch() -> None:
    _, placed = lesions(25)
    assert len(placed) > 10
    for one, two in itertools.combinations(placed, 2):
        apart = math.dist(one.centre_mm, two.centre_mm)
        assert apart >= max(one.radii_mm) + max(two.radii_mm) + 3


def test_radii_and_intensities_are_in_their_ranges() -> None:
    _, placed = lesions(15, (3.0, 4.0))
    for lesion in placed:
        assert 0.75 * 3 <= min(lesion.radii_mm) <= max(lesion.radii_mm) <= 1.3 * 4
        assert 1.4 <= lesion.blend.intensity < 1.6
        assert np.count_nonzero(lesion.blend.filled >= 0.5) >= 3


def test_what_the_grid_cannot_show_is_left_out() -> None:
    _, placed = lesions(10, (0.1, 0.2))
    assert placed == []


def test_one_seed_gives_the_same_lesions() -> None:
    first, second = lesions(5)[1], lesions(5)[1]
    assert [lesion.centre_mm for lesion in first] == [lesion.centre_mm for lesion in second]
    assert shares("white").max() == 1
