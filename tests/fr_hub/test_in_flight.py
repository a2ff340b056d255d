"""Tries of a report follow each other later and later."""

import pytest

from common.store.due_times import LONGEST_DELAY_S
from fr_hub.in_flight import delay_s


@pytest.mark.parametrize("tries", [0, 1, 2, 10, 1000])
def test_the_delay_grows_with_the_tries_and_is_bounded(tries: int) -> None:
    delays = [delay_s(tries) for _ in range(300)]
    longest = min(LONGEST_DELAY_S, 2 ** max(tries - 1, 0))
    assert 0 <= min(delays) < max(delays) <= longest
    assert max(delays) > longest / 2
