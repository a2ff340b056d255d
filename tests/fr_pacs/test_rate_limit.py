"""The scans of a source, shared by several threads at a given rate."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from fr_pacs.rate_limit import LOOK_AGAIN_S, RateLimitedSource
from fr_pacs.sources.grid import GridSource
from tests.factories import together
from tests.fr_pacs.streams import Planted, PlantedTask, small_scans


def grids(scans: int | None) -> GridSource:
    """A source of so many grids; None: endless."""
    return GridSource(pacs="pacs-1", scans=scans, seed=1)


def rest(source: RateLimitedSource) -> Iterator[str]:
    """The labels of what is due now."""
    while task := source.take():
        yield task.label


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that goes on only when it is told to."""
    now = [1000.0]
    monkeypatch.setattr("fr_pacs.rate_limit.time", SimpleNamespace(monotonic=lambda: now[0]))

    def go_on(seconds: float) -> None:
        now[0] += seconds

    return go_on


@pytest.mark.parametrize(
    ("in_source", "wanted", "total"),
    [(5, None, 5), (5, 3, 3), (3, 5, 3), (None, 4, 4), (None, None, None)],
)
def test_there_are_as_many_scans_as_the_source_has_and_as_are_wanted(
    in_source: int | None, wanted: int | None, total: int | None
) -> None:
    source = RateLimitedSource(grids(in_source), wanted, None)
    assert source.total == total
    if total is not None:
        assert list(rest(source)) == [f"grid {n} of seed 1" for n in range(total)]
        assert source.exhausted


def test_it_is_exhausted_with_its_last_scan_and_not_before() -> None:
    source = RateLimitedSource(grids(2), None, None)
    assert source.take()
    assert not source.exhausted
    assert source.due_in() == 0
    assert source.take()
    assert source.exhausted
    assert source.due_in() is None
    assert source.take() is None


def test_a_slow_stream_ends_with_its_last_scan_and_not_when_another_would_be_due() -> None:
    source = RateLimitedSource(grids(None), 1, rate=0.01)
    assert source.take()
    assert source.exhausted


def test_a_source_that_has_nothing_is_exhausted_from_the_start() -> None:
    source = RateLimitedSource(grids(0), None, None)
    assert source.exhausted
    assert source.take() is None


def test_a_source_that_ends_before_it_said_is_exhausted_then() -> None:
    planted = Planted(small_scans(2))
    planted.total = 5
    source = RateLimitedSource(planted, None, None)
    assert len(list(rest(source))) == 2
    assert source.exhausted


def test_scans_are_due_at_the_rate(clock: Callable[[float], None]) -> None:
    source = RateLimitedSource(grids(None), None, rate=4)
    assert len(list(rest(source))) == 1
    assert source.due_in() == pytest.approx(0.25)
    clock(0.2)
    assert source.take() is None
    assert source.due_in() == pytest.approx(0.05)
    clock(0.06)
    assert len(list(rest(source))) == 1
    assert source.due_in() == pytest.approx(0.24)


def test_what_was_taken_late_does_not_slow_the_stream(clock: Callable[[float], None]) -> None:
    source = RateLimitedSource(grids(None), None, rate=10)
    clock(1.05)
    assert len(list(rest(source))) == 11


def test_a_stream_that_was_held_up_for_long_goes_on_at_its_rate(
    clock: Callable[[float], None],
) -> None:
    source = RateLimitedSource(grids(None), None, rate=2)
    assert source.take()
    clock(3600)
    assert len(list(rest(source))) == 21  # ten seconds of it, and what is due now
    clock(5)
    assert len(list(rest(source))) == 10


def test_without_a_rate_scans_are_due_at_once() -> None:
    source = RateLimitedSource(grids(None), None, None)
    assert [source.due_in() for _ in range(3) if source.take()] == [0, 0, 0]


def test_threads_share_the_scans_each_gets_others() -> None:
    source = RateLimitedSource(grids(2000), None, None)
    taken = together(8, lambda _: list(rest(source)))
    assert sum(map(len, taken)) == 2000
    assert len({label for labels in taken for label in labels}) == 2000


def test_threads_share_the_rate() -> None:
    source = RateLimitedSource(grids(None), None, rate=100)
    began = time.monotonic()

    def take_for_a_while(_: int) -> int:
        taken = 0
        while time.monotonic() - began < 0.3:
            taken += source.take() is not None
            time.sleep(0.002)
        return taken

    taken = sum(together(4, take_for_a_while))
    assert 10 <= taken <= 100 * (time.monotonic() - began) + 1


def test_it_says_whether_its_source_waits() -> None:
    assert not RateLimitedSource(grids(1), None, None).waits
    assert RateLimitedSource(Planted(small_scans(1), waits=True), None, None).waits


class _Sometimes:
    """A source that has a scan only now and then."""

    total = None
    waits = True

    def __init__(self) -> None:
        self.tasks: list[PlantedTask] = []

    def __iter__(self) -> Iterator[PlantedTask | None]:
        while True:
            yield self.tasks.pop() if self.tasks else None


def test_a_source_that_has_nothing_now_is_asked_again_soon(clock: Callable[[float], None]) -> None:
    sometimes = _Sometimes()
    source = RateLimitedSource(sometimes, None, None)
    assert source.take() is None
    assert not source.exhausted
    assert source.due_in() == LOOK_AGAIN_S
    sometimes.tasks += Planted(small_scans(2))
    assert source.take() is None  # not yet
    clock(LOOK_AGAIN_S)
    assert source.take()
    assert source.take()
    assert source.take() is None
