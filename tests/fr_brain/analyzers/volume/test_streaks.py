"""Spots of a pulsating vessel are told from lesions by the air on their line."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.segment import Segmentation, segment
from fr_brain.analyzers.volume.streaks import on_streaks
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import SEED, SIZE, judged, read, scan_of

_PHANTOM = make_phantom(SEED, 2, SIZE, Recipe(healthy_chance=0, noise_percent=(2, 2)))
_WHITE = float(np.median(_PHANTOM.voxels[_PHANTOM.truth.brain]))
_MM = 2.0  # about the distance of its voxels
_THROUGH = (62, 44, 62)  # voxels of white matter beside the ventricles


def _streaked(axis: int, air: slice | None = None) -> npt.NDArray[np.float32]:
    """The phantom with spots on a line along an axis, and with a bright line in its air.

    Args:
        axis: of the line, 0 for x, 1 for y.
        air: where along the axis the air has the line; None takes all of it.
    """
    grid = np.meshgrid(*(np.arange(n) for n in SIZE), indexing="ij")
    across = sum(
        (_MM * (grid[other] - _THROUGH[other])) ** 2 for other in range(3) if other != axis
    )
    beats = 0.5 + 0.5 * np.cos(2 * np.pi * _MM * (grid[axis] - _THROUGH[axis]) / 26.0)
    streak = 0.28 * _WHITE * beats * np.exp(-across / (2 * 2.5**2))
    voxels = np.array(_PHANTOM.voxels, np.float32)
    if air is not None:
        is_air = voxels < 0.1 * _WHITE
        is_air[(slice(None),) * axis + (air,)] = False
        streak[is_air] = 0
    return np.asarray(voxels + streak, np.float32)


def _found(voxels: npt.NDArray[Any]) -> Segmentation:
    return segment(*scan_of(voxels, _PHANTOM.affine))


@pytest.mark.parametrize("axis", [0, 1])
def test_spots_of_a_streak_are_no_lesions(axis: int) -> None:
    plain, streaked = _found(np.array(_PHANTOM.voxels)), _found(_streaked(axis))
    assert on_streaks(plain) == frozenset()
    spots = on_streaks(streaked)
    assert len(spots) >= 3
    for number in spots:
        centroid = streaked.lesions[number - 1].centroid
        for other in range(3):
            if other != axis:
                assert abs(centroid[2 - other] - _THROUGH[other]) < 2
    # A spot may join a lesion, but hides none.
    assert len(streaked.lesions) - len(spots) <= len(plain.lesions)


def test_the_report_leaves_spots_out_and_says_so() -> None:
    plain = read(np.array(_PHANTOM.voxels, np.float32), _PHANTOM.affine)
    streaked = read(_streaked(1), _PHANTOM.affine)
    assert judged(streaked)[0].count == judged(plain)[0].count
    assert "flow" not in plain.quality.flags
    assert any("left out because of flow: 5." in text for text in streaked.quality.reasons)
    # The spots are still tissue.
    assert judged(streaked)[1].brain_ml == pytest.approx(judged(plain)[1].brain_ml, rel=0.01)


def test_bright_lesions_on_a_streak_stay() -> None:
    streaked = _found(_streaked(1))
    spots = on_streaks(streaked)
    brighter = [
        replace(lesion, ratio=lesion.ratio + 0.8 * (number in spots))
        for number, lesion in enumerate(streaked.lesions, 1)
    ]
    assert on_streaks(replace(streaked, lesions=brighter)) == frozenset()


def test_findings_longer_or_wider_than_spots_stay() -> None:
    streaked = _found(_streaked(1))
    assert on_streaks(streaked)
    for extent in ((9, 4, 4), (4, 4, 9), (4, 12, 4)):  # z, y, x; about 2 mm each
        other = [replace(lesion, extent=extent) for lesion in streaked.lesions]
        assert on_streaks(replace(streaked, lesions=other)) == frozenset()


def test_where_the_air_shows_no_streak_all_findings_stay() -> None:
    nowhere = _streaked(1, slice(0, 0))
    assert len(_found(nowhere).lesions) > len(_found(np.array(_PHANTOM.voxels)).lesions)
    assert on_streaks(_found(nowhere)) == frozenset()
    masked = np.where(_streaked(1) < 0.1 * _WHITE, 0, _streaked(1))
    assert on_streaks(_found(masked)) == frozenset()


def test_a_streak_runs_on_both_sides_of_the_head() -> None:
    # Without a streak, the air on this line is darker than around it, on both sides.
    assert on_streaks(_found(_streaked(1, slice(0, 48)))) == frozenset()
    assert on_streaks(_found(_streaked(1, slice(48, None)))) == frozenset()


@pytest.mark.parametrize("side", [slice(0, 5), slice(-5, None)])
def test_a_marker_beside_the_head_is_no_streak(side: slice) -> None:
    marked = _streaked(1, slice(0, 0))
    marked[_THROUGH[0] - 2 : _THROUGH[0] + 3, side, _THROUGH[2] - 2 : _THROUGH[2] + 3] = _WHITE
    assert on_streaks(_found(marked)) == frozenset()


def test_nothing_is_a_spot_on_t1() -> None:
    assert on_streaks(replace(_found(_streaked(1)), t1_like=True)) == frozenset()


def test_ghosts_of_the_whole_head_are_no_streaks() -> None:
    moved = _streaked(1)
    moved += 0.04 * np.roll(np.array(_PHANTOM.voxels, np.float32), SIZE[1] // 2, axis=1)
    assert on_streaks(_found(moved)) == frozenset()
