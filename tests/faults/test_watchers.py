"""What a watcher was not told, although the positions of its stream say so."""

from tests.faults.watchers import Segment, Watched, unseen


def watched(*segments: Segment, done: set[tuple[str, int]] | None = None) -> Watched:
    return Watched(segments=list(segments), done=done or set())


ALL = watched(Segment(0, 9, {"a": 3, "b": 7}), done={("a", 3), ("b", 7)})


def test_who_was_told_all_between_two_positions_misses_nothing() -> None:
    assert list(unseen([ALL, watched(Segment(0, 9, {"a": 3, "b": 8}))])) == []


def test_a_stream_that_goes_on_after_a_gap_is_found() -> None:
    assert list(unseen([ALL, watched(Segment(0, 9, {"b": 7}))])) == [(1, "a")]


def test_what_an_earlier_event_told_does_not_stand_for_a_later_one() -> None:
    assert list(unseen([ALL, watched(Segment(0, 9, {"a": 2, "b": 7}))])) == [(1, "a")]


def test_nothing_is_missed_after_the_end_before_the_start_and_where_a_reset_was_told() -> None:
    assert list(unseen([ALL, watched(Segment(4, 9, {"b": 7}))])) == []
    assert list(unseen([ALL, watched(Segment(0, 2), Segment(3, 9, {"b": 7}))])) == []
    assert list(unseen([ALL, watched(Segment(0, 6, {"a": 3}))])) == []
