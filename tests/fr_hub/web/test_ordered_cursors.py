"""Cursors of pages."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from fr_hub.web.ordered_cursors import cursor_after, place_of, time_of
from fr_hub.web.problems import Problem


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_a_place_comes_back() -> None:
    assert place_of(None) is None
    assert place_of(cursor_after("núñez", "a-1")) == ("núñez", "a-1")
    at = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert time_of(cursor_after(at, "a")) == (datetime(2026, 1, 1, tzinfo=UTC), "a")
    assert time_of(None) is None


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "%%%", "ä", "e30", "A" * 2000, base64.urlsafe_b64encode(b"[" * 1400).decode()),
        *map(encoded, ({}, [], ["a"], ["a", 1], [{"$gt": ""}, "a"], ["a", "b", "c"])),
        encoded(["\ud800", "a"]),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    for read in (place_of, time_of):
        with pytest.raises(Problem) as refused:
            read(cursor)
        assert refused.value.status == 422


@pytest.mark.parametrize("time", ["a", "0001-01-01T00:00:00+14:00", "2026-13-01"])
def test_a_list_by_time_needs_a_time(time: str) -> None:
    with pytest.raises(Problem):
        time_of(encoded([time, "a"]))
