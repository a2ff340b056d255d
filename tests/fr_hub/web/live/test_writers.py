"""What tells that an event was lost."""

from common.store.units import GONE_S
from fr_hub.web.live.writers import LATE_S, Writers


def test_numbers_in_order_lose_nothing() -> None:
    writers = Writers()
    for number in range(5, 9):
        writers.heard("a", number, 0.0)
    assert not writers.is_lost(100 * LATE_S)


def test_a_number_that_does_not_come_is_lost_once() -> None:
    writers = Writers()
    writers.heard("a", 1, 0.0)
    writers.heard("a", 3, 0.0)
    assert not writers.is_lost(LATE_S)
    assert writers.is_lost(LATE_S + 0.1)
    assert not writers.is_lost(LATE_S + 0.2)


def test_a_number_may_come_after_the_next_one() -> None:
    writers = Writers()
    writers.heard("a", 1, 0.0)
    writers.heard("a", 3, 0.0)
    writers.heard("a", 2, 0.1)
    assert not writers.is_lost(10 * LATE_S)


def test_a_large_gap_is_lost_at_once() -> None:
    writers = Writers()
    writers.heard("a", 1, 0.0)
    writers.heard("a", 10**15, 0.0)
    assert writers.is_lost(0.0)


def test_an_announced_writer_that_falls_silent_was_killed() -> None:
    writers = Writers()
    writers.heard("announced", 1, 0.0, announced=True)
    writers.heard("other", 1, 0.0)
    writers.heard("ended", 1, 0.0, announced=True)
    writers.heard("ended", 2, 0.0, ended=True)
    assert not writers.is_lost(GONE_S)
    assert writers.is_lost(GONE_S + 0.1)
    assert not writers.is_lost(3 * GONE_S)


def test_a_writer_that_ends_with_a_gap_has_lost_something() -> None:
    writers = Writers()
    writers.heard("a", 1, 0.0)
    writers.heard("a", 3, 0.0, ended=True)
    assert writers.is_lost(0.0)
