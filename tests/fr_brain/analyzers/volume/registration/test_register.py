"""Heads are found in MNI space, and those that are not say why."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fr_brain.analyzers.volume.registration.register import register, rotations
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap
from tests.fr_brain.analyzers.volume.registration.truth import (
    affine_of,
    error_mm,
    rotation,
    seen,
)

TILTED = affine_of(rotation(12, -8, 6) * 1.08, (15, -20, 9))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    degrees=st.tuples(*[st.floats(-18, 18)] * 3),
    scales=st.tuples(*[st.floats(0.95, 1.2)] * 3),
    shift=st.tuples(*[st.floats(-300, 300)] * 3),
)
def test_any_pose_and_size_is_found(
    degrees: tuple[float, float, float],
    scales: tuple[float, float, float],
    shift: tuple[float, float, float],
) -> None:
    true = affine_of(rotation(*degrees) @ np.diag(scales), shift)
    found = register(seen(true))
    assert found.doubt is None
    assert found.affine is not None
    assert error_mm(found.affine, true) < 2.5  # at the corners of the head's box
    assert found.overlap > 0.95


@pytest.mark.parametrize("scales", [(1.1875, 1, 1.2), (0.95, 1, 1), (1.1875, 1, 1)], ids=str)
def test_a_head_along_the_axes_of_the_template_is_found_less_exactly(
    scales: tuple[float, float, float],
) -> None:
    """The blocks of both lie alike, so what is smoothed on one side only pulls at the scale."""
    true = affine_of(np.diag(scales), (0, 0, 0))
    found = register(seen(true))
    assert found.affine is not None
    assert error_mm(found.affine, true) < 3


def test_thick_slices_are_found() -> None:
    found = register(seen(TILTED, (6.0, 3.6, 3.6)))
    assert found.affine is not None
    assert error_mm(found.affine, TILTED) < 2


def _without(tissues: TissueMap, part: tuple[slice, slice, slice]) -> TissueMap:
    grey, white, inside = (own.copy() for own in (tissues.grey, tissues.white, tissues.inside))
    for own in (grey, white, inside):
        own[part] = 0
    return replace(tissues, grey=grey, white=white, inside=inside)


def test_a_crop_moves_nothing() -> None:
    whole = seen(TILTED)
    kept = slice(0, 48)  # above the lateral ventricles
    grey, white, inside = (own[kept, 8:] for own in (whole.grey, whole.white, whole.inside))
    to_mm = whole.to_mm.copy()
    to_mm[:, 3] += 8 * to_mm[:, 1]
    found = register(TissueMap(grey, white, inside, to_mm))
    assert found.affine is not None
    assert error_mm(found.affine, TILTED) < 3


def test_a_large_lesion_moves_little() -> None:
    whole = seen(TILTED)
    z, y, x = np.argwhere(whole.inside > 0.9).mean(axis=0).astype(int)
    found = register(_without(whole, (slice(z, z + 8), slice(y, y + 10), slice(x + 3, x + 11))))
    assert found.affine is not None
    assert error_mm(found.affine, TILTED) < 3


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (np.diag([1.0, -1, -1]), "upside down"),
        (np.diag([-1.0, -1, 1]), "with its face to the back"),
        (rotation(90, 0, 0), "turned by 90 degrees"),
    ],
)
def test_a_head_that_lies_otherwise_than_the_header_says_is_named(
    turn: np.ndarray, words: str
) -> None:
    found = register(seen(affine_of(1.1 * turn, (5, 5, 5))))
    assert found.affine is None
    assert found.doubt is not None
    assert words in found.doubt
    assert "left and right" in found.doubt


def test_what_is_no_head_does_not_fit() -> None:
    ball = seen(TILTED)
    index = np.indices(ball.inside.shape)
    middle = np.array(ball.inside.shape).reshape(3, 1, 1, 1) / 2
    full = (((index - middle) ** 2).sum(axis=0) < 17**2).astype(np.float32)
    found = register(TissueMap(full * 0, full, full, ball.to_mm))
    assert found.affine is None
    assert found.doubt is not None
    assert "does not fit the template" in found.doubt


def test_there_are_23_other_ways_to_lie() -> None:
    turns = {tuple(turn.ravel()) for turn in rotations()}
    assert len(turns) == 23
    assert all(np.linalg.det(np.reshape(turn, (3, 3))) == pytest.approx(1) for turn in turns)
