"""The evaluation of comparisons knows what changed between two scans of a head."""

import numpy as np
import pytest

from tests.evaluation.follow_up import Compared, row_of
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.pairs import make_pair

KIND = Kind(spacing_mm=(2.0, 2.0, 3.0), lesions=(10, 14))
RIGHT = {"new": 4, "new found": 4, "gone": 1, "gone found": 1, "changed": 2, "changed found": 1}


def test_pairs_are_pooled_and_those_that_are_not_compared_counted() -> None:
    pairs = [Compared(None, 0.1, 0.1, RIGHT, 2), Compared(None, 0.3, -0.1), Compared("No.")]
    row, met = row_of("row", pairs)
    assert row == (
        "| row | 3 | 1 | 0.20 (0.30) | 4 of 4 | 1 of 1 | 1 of 2 | 0.00 | 1.0 | 0.10 |  |"
    )
    assert met


@pytest.mark.parametrize(
    "pair",
    [
        Compared(None, 0.1, 0, {**RIGHT, "new found": 3}),
        Compared(None, 0.1, 0, {**RIGHT, "false": 1}),
        Compared("No."),
    ],
)
def test_a_goal_is_missed(pair: Compared) -> None:
    row, met = row_of("row", [pair])
    assert not met
    assert row.endswith("| missed |")


def test_an_unsteady_volume_misses_the_goal() -> None:
    assert not row_of("row", [Compared(None, 0, one) for one in (-1.0, 1.0)])[1]


@pytest.mark.long
def test_the_second_scan_of_a_pair_shows_the_head_elsewhere_with_the_changes() -> None:
    pair = make_pair("coded", 200_031, 1, KIND)
    first, second = pair.first, pair.second
    assert set(pair.changes.values()) > {"stable"}
    for number, change in pair.changes.items():
        if change == "new":
            assert number not in first.numbers
        elif change == "gone":
            assert number not in second.numbers
    # A lesion lies in both scans where the truth says.
    [number] = [
        n for n, change in pair.changes.items() if change == "stable" and n in first.numbers
    ][:1]
    centres = []
    for head in (first, second):
        where = np.argwhere(head.labels == 1 + head.numbers.index(number)).mean(axis=0)
        affine = np.array(head.affine)
        centres.append(affine[:, :3] @ where + affine[:, 3])
    moved = second.to_first[:, :3] @ centres[1] + second.to_first[:, 3]
    assert np.linalg.norm(moved - centres[0]) < 1.5
    assert np.linalg.norm(centres[1] - centres[0]) > 1.5


@pytest.mark.long
def test_without_changes_both_scans_have_the_same_lesions() -> None:
    pair = make_pair("coded", 200_032, 0, KIND, changing=False)
    assert set(pair.changes.values()) == {"stable"}
    shares = [float(head.share.sum()) for head in (pair.first, pair.second)]
    assert shares[1] == pytest.approx(shares[0], rel=0.03)
    assert not np.array_equal(pair.first.voxels, pair.second.voxels)
