"""A user's work is done in turn: much of one keeps nobody else waiting."""

import threading

import pytest

from fr_hub.web.uploads.turns import Turns


def test_one_who_sends_much_has_one_piece_under_way_at_a_time() -> None:
    turns, gate, running = Turns(2, "test"), threading.Event(), []

    def work(name: str) -> str:
        running.append(name)
        assert gate.wait(10)
        return name

    many = [turns.submit("one", lambda n=n: work(f"one-{n}")) for n in range(5)]  # type: ignore[misc]
    other = turns.submit("other", lambda: "other")
    assert other.result(10) == "other"  # in the second thread, though four are waiting
    assert running == ["one-0"]
    gate.set()
    assert [one.result(10) for one in many] == [f"one-{n}" for n in range(5)]
    turns.close()


def test_an_error_is_the_callers_and_the_next_piece_is_done() -> None:
    turns = Turns(1, "test")
    failing, good = turns.submit("a", lambda: 1 / 0), turns.submit("a", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        failing.result(10)
    assert good.result(10) == 2
    turns.close()
    turns.close()
