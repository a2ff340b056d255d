"""Changes between two scans of one head are told, and two people are not compared."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from common.domain.follow_up import LesionChange
from fr_brain.analyzers.volume.follow_up.compare import compare, listed
from fr_brain.analyzers.volume.follow_up.labelled_head import LabelledHead
from fr_brain.analyzers.volume.follow_up.matching import inverse
from fr_brain.analyzers.volume.tissue import GREY
from tests.fr_brain.analyzers.volume.follow_up.heads import (
    ONE,
    THREE,
    TURNED,
    TWO,
    UPRIGHT,
    Ball,
    Matrix,
    head,
)
from tests.fr_brain.analyzers.volume.registration.truth import affine_of

SMALL = ((-28.0, -50.0, 24.0), 2.0)
WIDER = (ONE[0], 7.5)
NARROWER = (TWO[0], 2.5)


def fine(to_mni: Matrix, balls: Sequence[Ball]) -> LabelledHead:
    """In voxels so fine that lesions of 0.25 ml are seen in every scan."""
    return head(to_mni, balls, (1.5, 1.5, 1.5))


def test_new_gone_and_stable_lesions_are_told_apart() -> None:
    compared = compare(fine(TURNED, [ONE, THREE]), fine(UPRIGHT, [TWO, ONE]), TURNED)
    assert compared.withheld is None
    found = {one.change: one for one in compared.lesions}
    assert set(found) == {LesionChange.NEW, LesionChange.GONE, LesionChange.STABLE}
    new, gone, stable = (
        found[change] for change in (LesionChange.NEW, LesionChange.GONE, LesionChange.STABLE)
    )
    assert (new.ids, new.previous_ids, new.previous_ml) == ((2,), (), 0)
    assert (gone.ids, gone.previous_ids, gone.volume_ml) == ((), (1,), 0)
    assert (stable.ids, stable.previous_ids) == ((1,), (2,))
    assert new.volume_ml == pytest.approx(4 / 3 * np.pi * 0.216, rel=0.1)
    # Both places are in the space of the later scan.
    back = np.linalg.inv(TURNED[:, :3])
    for one, (centre, _) in ((new, THREE), (gone, TWO)):
        np.testing.assert_allclose(one.centroid_mm, back @ (centre - TURNED[:, 3]), atol=1.0)
    assert not any(one.doubtful for one in compared.lesions)
    assert [one.change for one in listed(compared.lesions)] == [LesionChange.NEW, LesionChange.GONE]


def test_partly_filled_voxels_count_in_both_volumes() -> None:
    now, before = fine(TURNED, [ONE, THREE]), fine(UPRIGHT, [TWO, ONE])
    plain = compare(now, before, TURNED)
    filled = compare(replace(now, filled=1.4), replace(before, filled=1.3), TURNED)
    for one, other in zip(plain.lesions, filled.lesions, strict=True):
        assert other.change is one.change
        assert other.volume_ml == pytest.approx(1.4 * one.volume_ml, rel=0.01)
        assert other.previous_ml == pytest.approx(1.3 * one.previous_ml, rel=0.01)


def test_the_volumes_that_reports_list_are_compared() -> None:
    now, before = fine(TURNED, [ONE, TWO]), fine(UPRIGHT, [ONE, TWO])
    listed = compare(replace(now, listed_ml=(2.5, 1.5)), replace(before, listed_ml=(2.4,)), TURNED)
    first, second = sorted(listed.lesions, key=lambda one: one.ids)
    assert (first.volume_ml, first.previous_ml) == (2.5, 2.4)
    assert first.change is LesionChange.STABLE
    assert second.volume_ml == 1.5
    assert second.previous_ml == pytest.approx(4 / 3 * np.pi * 0.064, rel=0.1)


def test_grown_and_shrunk_lesions_have_both_volumes() -> None:
    compared = compare(fine(TURNED, [WIDER, NARROWER]), fine(UPRIGHT, [ONE, TWO]), TURNED)
    first, second = compared.lesions
    assert (first.change, second.change) == (LesionChange.GROWN, LesionChange.SHRUNK)
    assert first.volume_ml > 3 * first.previous_ml
    assert second.volume_ml < second.previous_ml / 3


@pytest.mark.parametrize("is_new", [False, True])
def test_a_lesion_that_only_one_scan_shows_is_doubtful_if_it_is_small(is_new: bool) -> None:
    with_it, without = [ONE, SMALL], [ONE]
    now, before = (with_it, without) if is_new else (without, with_it)
    compared = compare(head(TURNED, now), head(UPRIGHT, before), TURNED)
    [one] = [lesion for lesion in compared.lesions if lesion.change is not LesionChange.STABLE]
    assert (one.change, one.doubtful) == (
        LesionChange.NEW if is_new else LesionChange.GONE, True
    )  # fmt: skip


@pytest.mark.parametrize("is_new", [False, True])
def test_a_lesion_is_doubtful_if_the_other_scan_looks_like_one_there(is_new: bool) -> None:
    whole, healed = fine(TURNED, [ONE, THREE]), fine(UPRIGHT, [ONE])
    before = fine(UPRIGHT, [ONE, (THREE[0], THREE[1] + 2)])
    healed.tissues[before.lesions == 2] = GREY
    args = (whole, healed, TURNED) if is_new else (healed, whole, inverse(TURNED))
    [one] = [
        lesion for lesion in compare(*args).lesions if lesion.change is not LesionChange.STABLE
    ]
    assert (one.change, one.doubtful) == (
        LesionChange.NEW if is_new else LesionChange.GONE, True
    )  # fmt: skip


def test_two_people_are_not_compared() -> None:
    other = affine_of(np.diag([1.15, 0.9, 1.1]), (0, 0, 0))
    compared = compare(head(other), head(UPRIGHT), UPRIGHT)
    assert compared.lesions == []
    assert "of two people" in (compared.withheld or "")
