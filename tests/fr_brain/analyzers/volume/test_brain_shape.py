"""A brain is told from one that leaks, or has lost its cortex, by how compact it is."""

import numpy as np

from fr_brain.analyzers.volume.brain_shape import compactness, cut_free, find_brain
from fr_brain.analyzers.volume.image import Bools, CoarseImage, Floats

SHAPE = (50, 54, 46)


def ball(radius_mm: float, centre_mm: tuple[float, float, float] = (100, 108, 92)) -> Bools:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    squares = [(4 * axis - at) ** 2 for axis, at in zip((z, y, x), centre_mm, strict=True)]
    return np.asarray(sum(squares) <= radius_mm**2)


def blocks(mean: Floats) -> CoarseImage:
    return CoarseImage(mean, (4, 4, 4), (4.0, 4.0, 4.0), np.full(SHAPE, 64, np.float32), 0)


def test_a_ball_is_as_compact_as_can_be() -> None:
    ones = blocks(np.ones(SHAPE, np.float32))
    assert 0.93 < compactness(ball(68), ones) < 1.07
    two = ball(48, (50, 108, 92)) | ball(48, (150, 108, 92))
    assert compactness(two, ones) < 0.85


def test_a_brain_that_lost_its_cortex_to_the_threshold_is_found_with_a_lower_one() -> None:
    mean = np.zeros(SHAPE, np.float32)
    mean[ball(68)] = 0.55  # cortex
    mean[ball(54)] = 0.9
    coarse = blocks(mean)
    level, brain = find_brain(coarse, ball(84), 0.7, 0.001)
    assert level < 0.55
    assert not (brain & ~ball(68)).any()
    assert np.count_nonzero(brain) > 0.95 * np.count_nonzero(ball(68))


def test_of_what_erosions_leave_the_cut_free_is_the_brain() -> None:
    whole = ball(56) | ball(40, (100, 190, 92))
    brain = cut_free(whole, blocks(np.ones(SHAPE, np.float32)), 0.001)
    assert brain is not None
    assert np.count_nonzero(brain & ball(56)) > 0.95 * np.count_nonzero(ball(56))
    assert compactness(brain, blocks(np.ones(SHAPE, np.float32))) > 0.7


def test_what_has_no_brains_size_is_none() -> None:
    assert cut_free(ball(20), blocks(np.ones(SHAPE, np.float32)), 0.001) is None


def test_of_a_compact_brain_no_more_is_cut_than_needed() -> None:
    # The smallest erosion keeps a gyrus that larger ones, which leave a rounder brain, cut off.
    gyrus = ball(10, (100, 180, 92)) & ~ball(64)
    whole = ball(64) | gyrus
    brain = cut_free(whole, blocks(np.ones(SHAPE, np.float32)), 0.001)
    assert brain is not None
    assert np.count_nonzero(brain & gyrus) == np.count_nonzero(gyrus)


def test_a_childs_brain_is_not_taken_for_one_that_lost_its_cortex() -> None:
    mean = np.zeros(SHAPE, np.float32)
    mean[ball(66)] = 0.45  # a thin skull and what lies around it
    mean[ball(58)] = 0.9
    level, brain = find_brain(blocks(mean), ball(66), 0.7, 0.001)
    assert level == 0.7
    assert not (brain & ~ball(58)).any()
