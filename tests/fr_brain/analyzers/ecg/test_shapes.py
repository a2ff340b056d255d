"""Shapes: what is frequent, and what is low beside it but as sharp."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.beats import find_beats
from fr_brain.analyzers.ecg.shapes import (
    REACH,
    Shape,
    frequent_shapes,
    likeness_to,
    low_shapes,
    matches_of,
    power_of,
    sharpness_of,
    slow_power_of,
    usual_height,
)
from tests.evaluation.ecg.matching import match_beats
from tests.fr_brain.analyzers.ecg.records import record

TALL, LOW, BLUNT = range(100, 4000, 200), range(190, 4000, 200), range(150, 4000, 200)


def bumps(*kinds: tuple[range, float, float]) -> np.ndarray:
    """Slopes of bumps (places, height, width in samples) in two leads, with a little noise."""
    values = np.random.default_rng(1).normal(0, 0.02, (4000, 2))
    for places, height, width in kinds:
        for place in places:
            apart = np.arange(4000) - place
            wave = -apart / width * np.exp(-((apart / width) ** 2) / 2)
            values += height * wave[:, None] * [1.0, -0.5 if height > 2 else 0.8]
    return values.astype(np.float32)


def test_what_is_frequent_is_like_its_shape_without_its_own_share() -> None:
    white = bumps((TALL, 5.0, 1.5))
    shapes = frequent_shapes(white, np.array(TALL), [])
    assert len(shapes) == 1
    matches = matches_of(white, shapes)
    likeness = likeness_to(matches, matches.max(axis=0), power_of(white), shapes)
    assert likeness[list(TALL)].min() > 0.95
    assert likeness.shape == (4000,)


@pytest.mark.parametrize(("places", "width", "shapes"), [(LOW, 1.2, 1), (BLUNT, 5.0, 0)])
def test_low_beats_have_a_shape_and_blunt_waves_have_none(
    places: range, width: float, shapes: int
) -> None:
    white = bumps((TALL, 5.0, 1.5), (places, 1.0, width))
    known = frequent_shapes(white, np.array(TALL), [])
    sharp = sharpness_of(power_of(white), slow_power_of(white), np.array(places))
    found = low_shapes(white, np.array(places), sharp, known)
    assert len(found) == shapes
    assert all(shape.low for shape in found)


def test_low_beats_are_as_high_as_those_of_their_shape() -> None:
    values = np.ones((2 * REACH + 1) * 2)
    shapes = [Shape.of(values), Shape.of(values, low=True)]
    relative = np.array([0.0, 0.1, -0.1, 0.0, -2.0, -2.0, -2.1, -1.9, -2.0])
    which = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0])
    usual = usual_height(relative, which, np.full(9, 0.95), shapes)
    assert usual[4:8] == pytest.approx(-2.0)
    assert usual[8] == pytest.approx(0)
    assert not usual_height(relative, which, np.full(9, 0.8), shapes).any()


@pytest.mark.parametrize("rhythm", ["bigeminy", "block_2_to_1"])
@pytest.mark.parametrize("leads", [1, 2])
def test_normal_beats_beside_tall_ones_are_beats_and_p_waves_are_not(
    rhythm: str, leads: int
) -> None:
    for index in range(50, 54):
        ecg = record(index, leads, rhythm=rhythm)
        found = find_beats(ecg.samples, ecg.hz).times_s
        beats = match_beats(list(ecg.truth.times_s), list(found))
        assert beats.found == beats.common
        assert beats.common >= 0.9 * beats.true
