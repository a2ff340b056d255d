"""Tests for ``figures``."""

import pytest

from tests.benchmarks.figures import Goal, Results

_SPEED = Goal("speed", ("ours", "scans/s"), ("limit", "scans/s"), 0.3, 0.4, limit=True)
_TIME = Goal("time", ("ours", "p50 ms"), ("limit", "p50 ms"), 2.5, 2, below=True, limit=True)
_PEER = Goal("peer", ("ours", "scans/s"), ("limit", "scans/s"), 0.3, 0.4)


@pytest.mark.parametrize(
    ("ours", "found"),
    [
        ({"scans/s": 50, "p50 ms": 30}, []),
        ({"scans/s": 101, "p50 ms": 30}, ["speed"]),
        ({"scans/s": 50, "p50 ms": 9}, ["time"]),
    ],
)
def test_what_beats_its_limit_is_named(ours: dict[str, float], found: list[str]) -> None:
    """A peer may be beaten, a limit cannot be."""
    results = Results("part", "A part", (_SPEED, _TIME, _PEER))
    results.add("ours", ours)
    results.add("limit", {"scans/s": 100, "p50 ms": 10})
    assert results.impossible() == found


def test_one_lucky_round_beats_no_limit() -> None:
    """The median counts, as for all ratios."""
    results = Results("part", "A part", (_SPEED,))
    for speed in (90, 95, 120):
        results.add("ours", {"scans/s": speed})
        results.add("limit", {"scans/s": 100})
    assert results.impossible() == []
