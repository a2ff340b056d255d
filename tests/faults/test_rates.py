"""The most within any span of a length."""

from tests.faults.rates import most_within


def test_the_fullest_span_counts() -> None:
    times = [0.0, 1.0, 2.0, 2.5, 9.0]
    assert [most_within(times, within) for within in (0.1, 1.0, 1.5, 10)] == [1, 2, 3, 5]
    assert most_within([], 10) == 0
