"""The scan before another one is chosen, and a later report on it is noticed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.domain.findings import Findings, Quality, Verdict
from common.domain.previous_scan import (
    SubjectMember,
    better_previous,
    can_be_compared,
    is_before,
    latest_first,
)
from common.domain.scan import BrainScan
from tests.factories import make_report, make_scan

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def scan_of(days: float | None, **fields: Any) -> BrainScan:
    at = None if days is None else NOW - timedelta(days=days)
    return make_scan(**{"subject": "sub-01", "acquired_at": at, **fields})[0]


def member(days: float | None, previous: SubjectMember | None = None, **own: Any) -> SubjectMember:
    """A scan acquired so many days before NOW, compared with this one."""
    fields = {name: own.pop(name) for name in ("scan_id", "study") if name in own}
    about: dict[str, Any] = {
        "contrast": "flair",
        "analyzer": "volume 12",
        "has_lesions": True,
        "has_maps": True,
        **own,
    }
    if previous is not None:
        about["previous_scan"] = previous.scan.scan_id
        about["previous_acquired_at"] = previous.scan.acquired_at
    return SubjectMember(scan=scan_of(days, **fields), **about)


OLD, MIDDLE = member(300), member(200)


def test_the_latest_one_before_is_the_previous_one() -> None:
    last = member(100)
    assert better_previous(last, [last, OLD, MIDDLE, member(50)]) is MIDDLE
    assert better_previous(OLD, [last, OLD, MIDDLE]) is None


@pytest.mark.parametrize(("previous", "better"), [(OLD, MIDDLE), (MIDDLE, None)])
def test_a_scan_that_was_compared_needs_a_later_one(
    previous: SubjectMember, better: SubjectMember | None
) -> None:
    assert better_previous(member(100, previous), [OLD, MIDDLE]) is better


def test_one_that_was_compared_with_a_later_one_that_is_gone_keeps_that() -> None:
    assert better_previous(member(100, MIDDLE), [OLD]) is None


@pytest.mark.parametrize(
    "other",
    [{"contrast": "t1"}, {"analyzer": "volume 11"}, {"has_lesions": False}, {"has_maps": False}],
    ids=str,
)
def test_others_are_no_previous_ones(other: dict[str, Any]) -> None:
    assert better_previous(member(100), [member(200, **other)]) is None


def test_scans_of_one_examination_are_not_compared() -> None:
    assert is_before(scan_of(1), scan_of(0))
    assert not is_before(scan_of(0.4), scan_of(0))
    assert not is_before(scan_of(1, study="0" * 16), scan_of(0, study="0" * 16))
    assert not is_before(scan_of(None), scan_of(0))
    assert not is_before(scan_of(1), scan_of(None))
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert not is_before(scan_of(0, acquired_at=first), scan_of(0, acquired_at=first))


def test_scans_are_sorted_by_their_time() -> None:
    scans = [scan_of(2), scan_of(None), scan_of(1)]
    assert latest_first(scans) == [scans[2], scans[0]]


@pytest.mark.parametrize(
    ("fields", "can"),
    [({}, True), ({"subject": None}, False), ({"acquired_at": None}, False)],
    ids=str,
)
def test_a_report_can_be_compared_if_it_says_whose_and_when(
    fields: dict[str, Any], can: bool
) -> None:
    known = {"subject": "sub-01", "acquired_at": NOW, **fields}
    report = make_report(make_scan(**known)[0], **known)
    assert can_be_compared(report) is can
    failed = Findings(quality=Quality(verdict=Verdict.FAIL), lesions=None)
    assert not can_be_compared(report.model_copy(update={"findings": failed}))
