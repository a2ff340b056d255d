"""When a file that has arrived is read, and when it is complete."""

from pathlib import Path

from fr_pacs.sources.watching.arrivals import SETTLED_S, Arrivals

A, B, PART = Path("/x/a"), Path("/x/deep/b"), Path("/x/c.nii.PART")


def settled(arrivals: Arrivals, now: float) -> list[Path]:
    return [one.path for one in arrivals.settled(now)]


def complete(arrivals: Arrivals, now: float) -> list[Path]:
    return [one.path for one in arrivals.complete(now)]


def test_a_file_is_read_when_it_has_settled_and_complete_when_it_is_quiet() -> None:
    arrivals = Arrivals(10, 100)
    arrivals.note(B, "b", (1, 1), 0)
    arrivals.note(A, "a", (1, 1), 0)
    assert settled(arrivals, SETTLED_S - 0.1) == []
    assert settled(arrivals, SETTLED_S) == [A, B]
    assert complete(arrivals, 99) == []  # not read yet
    for one in arrivals.settled(99):
        one.found = []
    assert settled(arrivals, 99) == []
    assert (complete(arrivals, 9.9), complete(arrivals, 10)) == ([], [A, B])


def test_what_changes_begins_anew_and_what_does_not_goes_on() -> None:
    arrivals = Arrivals(10, 100)
    for path in (A, B):
        arrivals.note(path, "", (1, 1), 0).found = []
    assert arrivals.note(A, "", (1, 1), 5) is arrivals.get(A)
    arrivals.note(B, "", (2, 1), 5)
    assert (complete(arrivals, 12), settled(arrivals, 12)) == ([A], [B])
    arrivals.changed(A, (3, 3), 12)
    assert (complete(arrivals, 12), settled(arrivals, 13)) == ([], [A, B])


def test_a_name_of_a_copy_under_way_takes_longer() -> None:
    arrivals = Arrivals(10, 100)
    arrivals.note(PART, "", (1, 1), 0)
    assert (settled(arrivals, 99), settled(arrivals, 100)) == ([], [PART])


def test_a_short_quiet_time_is_not_made_longer() -> None:
    arrivals = Arrivals(0.1, 1)
    arrivals.note(A, "", (1, 1), 0)
    assert settled(arrivals, 0.1) == [A]


def test_files_are_listed_and_removed() -> None:
    arrivals = Arrivals(10, 100)
    for path in (A, B, PART):
        arrivals.note(path, "", (1, 1), 0)
    assert arrivals.unread_folders() == {Path("/x"), Path("/x/deep")}
    assert arrivals.paths() == [A, B, PART]
    arrivals.remove(B)
    arrivals.remove(B)
    assert (len(arrivals), arrivals.get(B)) == (2, None)
