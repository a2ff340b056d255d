"""The text of a report says what changed since the previous scan."""

from typing import Any

from common.domain.follow_up import ChangedLesion, FollowUp, LesionChange
from common.domain.follow_up_text import CHANGES_SHOWN, follow_up_lines
from tests.common.domain.test_follow_up import ABOUT, NEW


def lines(**about: Any) -> list[str]:
    return list(follow_up_lines(FollowUp(**ABOUT, **about)))


def changed(change: str, now: float, before: float, **more: Any) -> ChangedLesion:
    return ChangedLesion(
        change=LesionChange(change),
        volume_ml=now,
        previous_ml=before,
        centroid_mm=(-1, 2, -3),
        **more,
    )


def test_counts_and_the_largest_changes_are_told() -> None:
    lesions = (NEW, changed("grown", 2, 1), changed("gone", 0, 0.5))
    counts = {"new": 1, "grown": 1, "shrunk": 0, "stable": 7, "gone": 1, "doubtful": 0}
    told = lines(
        **counts, new_ml=0.4, lesions=lesions, brain_change_percent=-0.62, brain_error_percent=0.3
    )
    assert told == [
        "Follow-up: previous scan scan-1, acquired 2025-03-01, 365 days earlier",
        "           lesions: 1 new (0.400 ml), 1 grown, 0 shrunk, 7 stable, 1 gone",
        "           new: 0.400 ml at R 1, A 2, S 3 mm",
        "           grown: from 1.00 ml to 2.00 ml at L 1, A 2, I 3 mm",
        "           gone: 0.500 ml at L 1, A 2, I 3 mm",
        "           brain volume -0.6 % (±0.3 %, 95 % of synthetic pairs)",
    ]


def test_doubtful_lesions_are_counted_apart_and_not_listed() -> None:
    counts = {"new": 0, "grown": 0, "shrunk": 0, "stable": 7, "gone": 0, "doubtful": 2}
    told = lines(**counts, new_ml=0, lesions=(changed("new", 0.01, 0, doubtful=True),))
    assert "2 more found in one scan only" in " ".join(told)
    assert not [line for line in told if "new: " in line]


def test_of_many_changes_the_first_are_listed() -> None:
    counts = {"new": 9, "grown": 0, "shrunk": 0, "stable": 0, "gone": 0, "doubtful": 0}
    told = lines(**counts, new_ml=3.6, lesions=(NEW,) * 9)
    assert len([line for line in told if "new: " in line]) == CHANGES_SHOWN


def test_scans_that_are_not_compared_have_the_reason() -> None:
    told = lines(withheld="The head\nwas not found.")
    assert told[1:] == ["           Not compared. The head was not found."]
