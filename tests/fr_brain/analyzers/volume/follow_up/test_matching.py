"""Lesions that come near each other in two scans are the same."""

import pytest

from fr_brain.analyzers.volume.follow_up.matching import Group, matched
from tests.fr_brain.analyzers.volume.follow_up.heads import (
    ONE,
    THREE,
    TURNED,
    TWO,
    UPRIGHT,
    Ball,
    head,
)


def test_lesions_are_matched_by_place_and_not_by_number() -> None:
    now, before = head(TURNED, [TWO, ONE]), head(UPRIGHT, [ONE, TWO])
    assert set(matched(now, before, TURNED)) == {Group((1,), (2,)), Group((2,), (1,))}


def test_a_lesion_of_one_scan_alone_is_on_its_own() -> None:
    now, before = head(TURNED, [ONE, THREE]), head(UPRIGHT, [ONE, TWO])
    assert set(matched(now, before, TURNED)) == {
        Group((1,), (1,)),
        Group((2,), ()),
        Group((), (2,)),
    }


def test_lesions_that_grow_into_one_are_one_group() -> None:
    x, y, z = THREE[0]
    beside: Ball = ((x + 14, y, z), 4.0)
    large: Ball = ((x + 6, y, z), 12.0)
    assert matched(head(TURNED, [large]), head(UPRIGHT, [THREE, beside]), TURNED) == [
        Group((1,), (1, 2))
    ]


@pytest.mark.parametrize(("gap", "groups"), [(1.0, 1), (6.0, 2)])
def test_neighbours_are_the_same_lesion_only_if_they_nearly_touch(gap: float, groups: int) -> None:
    x, y, z = THREE[0]
    beside: Ball = ((x, y + 12 + gap, z), 6.0)
    assert len(matched(head(TURNED, [beside]), head(UPRIGHT, [THREE]), TURNED)) == groups


def test_without_lesions_there_are_no_groups() -> None:
    assert matched(head(TURNED, []), head(UPRIGHT, []), TURNED) == []
