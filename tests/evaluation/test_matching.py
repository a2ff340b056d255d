"""Matching on small handmade masks."""

import numpy as np
import numpy.typing as npt
import pytest

from tests.evaluation.matching import dice_of, f1_of, mask_dice, match

Labels = npt.NDArray[np.uint8]


def labels(*runs: tuple[int, int, int], length: int = 100) -> Labels:
    """A line of voxels; each run is a label, its first voxel and its length."""
    line = np.zeros((length, 1, 1), np.uint8)
    for label, first, count in runs:
        line[first : first + count] = label
    return line


def test_what_is_the_same_is_found_whole() -> None:
    true = labels((1, 0, 10), (2, 50, 4))
    matched = match(true, true, 2)
    assert matched.found == (True, True)
    assert matched.false == 0
    assert matched.dice == 1


def test_numbers_of_findings_do_not_matter() -> None:
    matched = match(labels((1, 0, 10), (2, 50, 4)), labels((9, 0, 10), (4, 50, 4)), 2)
    assert matched.found == (True, True)
    assert (matched.false, matched.dice) == (0, 1)


def test_a_tenth_of_a_lesion_is_enough_and_less_is_not() -> None:
    true = labels((1, 0, 20), (2, 40, 20))
    found = labels((1, 18, 2), (2, 59, 1))
    assert match(true, found, 2).found == (True, False)


def test_a_finding_with_less_than_a_tenth_of_lesion_is_false() -> None:
    true = labels((1, 10, 10))
    assert match(true, labels((1, 19, 10)), 1).false == 0
    assert match(true, labels((1, 19, 11)), 1).false == 1
    # It still covers a tenth of the lesion.
    assert match(true, labels((1, 19, 11)), 1).found == (True,)
    assert match(true, labels((1, 19, 11), (3, 10, 5)), 1).right == (False, False, True)


def test_one_finding_may_cover_two_lesions_and_two_findings_one() -> None:
    true = labels((1, 0, 10), (2, 12, 10), (3, 50, 20))
    found = labels((1, 0, 22), (2, 50, 5), (3, 60, 5))
    matched = match(true, found, 3)
    assert matched.found == (True, True, True)
    assert matched.false == 0
    assert (matched.common_voxels, matched.true_voxels, matched.found_voxels) == (30, 40, 32)
    assert matched.dice == pytest.approx(60 / 72)


def test_nothing_found_is_all_missed_and_nothing_there_is_all_false() -> None:
    true, none = labels((1, 0, 10), (2, 50, 4)), labels()
    assert match(true, none, 2).found == (False, False)
    assert match(true, none, 2).dice == 0
    matched = match(none, true, 0)
    assert (matched.found, matched.false, matched.dice) == ((), 2, 0)
    assert match(none, none, 0).dice is None


def test_a_lesion_without_a_voxel_is_never_found() -> None:
    assert match(labels((2, 0, 3)), labels((1, 0, 100)), 2).found == (False, True)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        match(labels(), labels(length=99), 0)
    with pytest.raises(ValueError, match="label 3 is above the number of lesions, 2"):
        match(labels((3, 0, 5)), labels(), 2)


def test_dice_of_masks() -> None:
    one, other = labels((1, 0, 10)) > 0, labels((1, 5, 10)) > 0
    assert mask_dice(one, other) == 0.5
    assert mask_dice(one & ~one, one & ~one) is None
    assert dice_of(0, 3, 0) == 0


def test_f1_is_between_sensitivity_and_precision() -> None:
    assert f1_of(8, 2, 0) == pytest.approx(16 / 18)
    assert f1_of(0, 0, 3) == 0
    assert f1_of(0, 0, 0) is None


def test_a_finding_on_a_lesion_too_thin_for_a_label_is_not_false() -> None:
    true, found = labels((1, 0, 10)), labels((1, 0, 10), (2, 50, 4), (3, 80, 4))
    share = np.where(true, np.float32(1), np.float32(0))
    share[50:54] = 0.3
    assert match(true, found, 1).false == 2
    assert match(true, found, 1, share).false == 1
