"""Ghosts of the head are measured in the air around it, along any axis."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.image import CoarseImage, Floats
from fr_brain.analyzers.volume.motion import Ghosts, ghosts_of, most_in_line
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import SIZE, scan_of

_SHAPE = (46, 56, 52)
_WHITE = 600.0


def _ghosts(voxels: npt.NDArray[Any], affine: Any) -> Ghosts:
    ghosts = segment(*scan_of(voxels.astype(np.float32), affine)).ghosts
    assert ghosts is not None
    return ghosts


def _measured(image: Floats, head: npt.NDArray[np.bool_], offset: float = 0.0) -> Ghosts:
    ghosts = ghosts_of(_blocks(image), head, head, _WHITE, offset)
    assert ghosts is not None
    return ghosts


def _blocks(image: Floats) -> CoarseImage:
    return CoarseImage(image, (4, 4, 4), (4.0, 4.0, 4.0), np.full(_SHAPE, 64, np.float32), 0)


def _air(seed: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Blocks with noise around an ellipsoid, and the ellipsoid."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in _SHAPE), indexing="ij")
    head = np.asarray(sum((axis / 0.72) ** 2 for axis in axes) < 1)
    noise = 25 * np.random.default_rng(seed).normal(1, 0.06, _SHAPE)
    return np.where(head, _WHITE, noise).astype(np.float32), head


def test_a_head_without_motion_has_no_ghost_and_one_with_motion_has() -> None:
    phantom = make_phantom(31, 2, SIZE, Recipe(noise_percent=(4, 4)))
    voxels = np.array(phantom.voxels, np.float32)
    plain = _ghosts(voxels, phantom.affine)
    moved = _ghosts(voxels + 0.08 * np.roll(voxels, SIZE[1] // 2, axis=1), phantom.affine)
    assert plain.percent < 1
    assert plain.streak < 4
    assert moved.percent > 2


@pytest.mark.parametrize("axis", range(3))
def test_a_ghost_along_any_axis_is_measured(axis: int) -> None:
    image, head = _air(700_001)
    ghost = 0.05 * np.roll(np.where(head, _WHITE, 0), _SHAPE[axis] // 2, axis=axis)
    moved = np.where(head, image, np.hypot(image, ghost)).astype(np.float32)
    assert _measured(image, head).percent < 0.6
    assert 1.5 < _measured(moved, head).percent < 5


def test_uneven_noise_is_no_ghost() -> None:
    image, head = _air(700_002)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in _SHAPE), indexing="ij")
    uneven = np.where(head, image, image * (1 + 0.2 * y + 0.3 * x * x + 0.1 * z * y))
    found = _measured(uneven.astype(np.float32), head)
    assert found.percent < 1
    assert found.streak < 4.5


def test_air_that_was_masked_shows_no_ghost_and_says_nothing() -> None:
    image, head = _air(700_003)
    empty = np.where(head, image, 0).astype(np.float32)
    assert ghosts_of(_blocks(empty), head, head, _WHITE, 0.0) is None
    half = image.copy()
    half[:, :, ::4] = 0
    half[:, ::2] = 0
    assert ghosts_of(_blocks(np.where(head, image, half)), head, head, _WHITE, 0.0) is None
    assert ghosts_of(_blocks(image), np.ones_like(head), head, _WHITE, 0.0) is None


def test_an_offset_of_all_intensities_changes_nothing_once_it_is_named() -> None:
    image, head = _air(700_004)
    ghost = 0.05 * np.roll(np.where(head, _WHITE, 0), _SHAPE[1] // 2, axis=1)
    moved = np.where(head, image, np.hypot(image, ghost)).astype(np.float32)
    shifted = _measured(moved - 10, head, 10.0)
    assert shifted.percent == pytest.approx(_measured(moved, head).percent, rel=0.01)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_streak_on_both_sides_of_the_head_is_found(axis: int) -> None:
    image, head = _air(700_005)
    line = (20, slice(None), 30) if axis == 1 else (20, 30, slice(None))
    streak = image.copy()
    streak[line] = np.where(head[line], image[line], np.hypot(image[line], 15))
    assert _measured(image, head).streak < 4.5
    assert _measured(streak, head).streak > 6


def test_something_bright_on_one_side_of_the_head_is_no_streak() -> None:
    image, head = _air(700_006)
    marked = image.copy()
    marked[20, :4, 30] = 300
    assert _measured(marked, head).streak < 4.5


def test_air_without_noise_has_no_streak() -> None:
    image, head = _air(700_007)
    even = _measured(np.where(head, image, 25).astype(np.float32), head)
    assert even.percent < 0.5
    assert even.streak == 0


def test_lesions_on_a_line_along_an_axis_are_counted() -> None:
    assert most_in_line(np.zeros((0, 3))) == 0
    places = np.array([[50, 10, 40], [51, 45, 41], [49, 80, 39], [20, 80, 90], [70, 30, 10]], float)
    assert most_in_line(places) == 3
    assert most_in_line(places[:, [2, 0, 1]]) == 3
    assert most_in_line(places * 4) == 1
