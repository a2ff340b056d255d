"""The retained batches, their numbers, and what comes after a position."""

from common.store.feed_documents import Change, ChangeKind
from fr_hub.web.live.ring import REPLAYED_MAX, RETAINED_MAX, Batch, Ring, numbered


def batch(n: int, before: int, things: int = 1) -> Batch:
    keys = [f"scan-{one}@pacs-1" for one in range(things)]
    return Batch(n, before, n, [Change(ChangeKind.SCAN, keys)])


def ring(*numbers: int) -> Ring:
    made, before = Ring(), 0
    for n in numbers:
        made.add(batch(n, before))
        before = n
    return made


def after(made: Ring, position: int) -> list[int] | None:
    found = made.after(position)
    return None if found is None else [one.n for one in found]


def test_numbers_are_times_and_rise() -> None:
    assert numbered(0, 1000) == 1000
    assert numbered(1000, 1000) == 1001
    assert numbered(1001, 7) == 1002


def test_what_comes_after_a_position() -> None:
    made = ring(10, 20, 30)
    assert after(made, 10) == [20, 30]
    assert after(made, 30) == []
    for unknown in (-1, 9, 15, 31):
        assert after(made, unknown) is None


def test_a_position_before_a_loss_is_unknown() -> None:
    made = ring(10, 20)
    made.lose()
    made.add(batch(30, 20))
    assert after(made, 10) is None
    assert after(made, 20) is None
    assert after(made, 30) == []


def test_the_oldest_make_room() -> None:
    made = Ring()
    for n in range(1, 4):
        made.add(batch(n, n - 1, RETAINED_MAX // 2))
    assert [one.n for one in made] == [2, 3]
    assert after(made, 1) is None


def test_who_is_far_behind_reads_again() -> None:
    made = ring(10)
    made.add(batch(20, 10, REPLAYED_MAX + 1))
    assert after(made, 10) is None


def test_after_a_new_beginning_nothing_is_known() -> None:
    made = ring(10, 20)
    made.clear()
    assert (after(made, 20), made.last) == (None, 0)
