"""How often something happened within a time."""

from collections.abc import Sequence


def most_within(times: Sequence[float], within_s: float) -> int:
    """The most of these ascending times, in seconds, within any span of this length."""
    first = most = 0
    for last, at in enumerate(times):
        while at - times[first] > within_s:
            first += 1
        most = max(most, last - first + 1)
    return most
