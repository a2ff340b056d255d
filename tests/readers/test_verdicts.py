"""The judge of the readers can find each of them wrong."""

import numpy as np
import pytest

from tests.readers.verdicts import Verdict, judge
from tests.readers.volumes import Volume, same

AFFINE = np.array([[-1.25, 0, 0, 90], [0, -1.5, 0, 100], [0, 0, 3, -50], [0, 0, 0, 1.0]])
VALUES = np.arange(60.0).reshape(3, 4, 5)
RIGHT = Volume(VALUES, AFFINE)
FLIPPED = Volume(
    VALUES[:, ::-1], AFFINE @ np.array([[1, 0, 0, 0], [0, -1, 0, 3], [0, 0, 1, 0], [0, 0, 0, 1]])
)
MIRRORED = Volume(VALUES[::-1], AFFINE)
MOVED = Volume(VALUES, AFFINE + np.array([[0, 0, 0, 0.1]] * 4))
SCALED = Volume(VALUES * 1.01, AFFINE)
UNPLACED = Volume(VALUES, None)


def test_the_order_of_the_axes_does_not_matter_and_all_else_does() -> None:
    assert RIGHT.is_same(FLIPPED)
    for wrong in (MIRRORED, MOVED, SCALED, Volume(VALUES[:2], AFFINE)):
        assert not RIGHT.is_same(wrong)
    assert RIGHT.is_same(UNPLACED)


def test_each_volume_counts_once() -> None:
    assert same([RIGHT, SCALED], [SCALED, FLIPPED])
    assert not same([RIGHT, RIGHT], [RIGHT, SCALED])
    assert not same([RIGHT], [])


@pytest.mark.parametrize(
    ("ours", "theirs", "truth", "verdict"),
    [
        ([RIGHT], [FLIPPED], [RIGHT], Verdict.EQUAL),
        ([RIGHT], [MOVED], [RIGHT], Verdict.OURS),
        ([MOVED], [RIGHT], [RIGHT], Verdict.THEIRS),
        ([], [RIGHT], [], Verdict.OURS),
        ([], [], [], Verdict.REFUSED),
        ([], [], [RIGHT], Verdict.REFUSED),
        ([], [MOVED], [RIGHT], Verdict.OURS),
        ([MOVED], [], [RIGHT], Verdict.THEIRS),
        ([MOVED], [SCALED], [RIGHT], Verdict.THEIRS),
        ([RIGHT], [FLIPPED], None, Verdict.EQUAL),
        ([RIGHT], [], None, Verdict.OURS),
        ([], [RIGHT], None, Verdict.THEIRS),
        ([MOVED], [RIGHT], None, Verdict.THEIRS),
    ],
)
def test_the_truth_decides_and_without_it_the_other_reader(
    ours: list[Volume], theirs: list[Volume], truth: list[Volume] | None, verdict: Verdict
) -> None:
    assert judge(ours, theirs, truth) is verdict
