"""The bell of a Fr-BRAIN: a ring wakes one, none is lost that somebody waits for."""

import threading
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection

import pytest

from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_brain.work_signal import Bell
from tests.factories import make_claimable, make_scan, opened, state_of
from tests.fr_brain.processors import Gate, PlantedAnalyzer, processing
from tests.running import until

CONTEXT = get_context("spawn")


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store


def test_a_ring_wakes_one_of_those_that_wait() -> None:
    bell, heard = Bell(CONTEXT), threading.Semaphore(0)

    def wait() -> None:
        if bell.wait(60):
            heard.release()

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    bell.ring()
    assert heard.acquire(timeout=10)
    assert not heard.acquire(timeout=0.3)
    for _ in range(2):
        bell.ring_once_more()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_ring_that_nobody_waited_for_is_heard_by_the_next_one_and_once() -> None:
    bell = Bell(CONTEXT)
    for _ in range(5):
        bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0.05)


def test_each_that_must_hear_it_hears_it() -> None:
    bell = Bell(CONTEXT)
    bell.ring()
    bell.ring_once_more()
    assert bell.wait(0)
    assert bell.wait(0)


def _hear(bell: Bell, heard: Connection) -> None:
    while bell.wait(600):
        heard.send("it")


def test_a_process_that_is_killed_in_its_wait_takes_no_later_ring_along() -> None:
    bell = Bell(CONTEXT)
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_hear, args=(bell, there))
    process.start()
    bell.ring()
    assert here.recv() == "it"  # it waits for the next one now
    process.kill()
    process.join()
    bell.ring()
    assert bell.wait(5)


class WatchedBell(Bell):
    """It tells how often somebody has begun to wait, and heard a ring."""

    def __init__(self) -> None:
        super().__init__(CONTEXT)
        self.waits = self.heard = 0

    def wait(self, timeout_s: float) -> bool:
        """As it does."""
        self.waits += 1
        heard = super().wait(timeout_s)
        self.heard += heard
        return heard


def test_who_finds_a_scan_wakes_the_next_one_who_finds_the_other(store: DBManager) -> None:
    bell, gates = WatchedBell(), [Gate(), Gate()]
    with (
        processing(store, gates[0], owner="one", bell=bell, brain_poll_s=60),
        processing(store, gates[1], owner="two", bell=bell, brain_poll_s=60),
    ):
        until(lambda: bell.waits >= 2)
        made = [make_scan() for _ in gates]
        store.scans.add([NewScan(*one) for one in made])
        bell.ring()
        assert {gate.begun() for gate in gates} == {scan.scan_id for scan, _ in made}


def test_who_finds_all_that_waits_wakes_nobody_and_waits_for_the_next_ring(
    store: DBManager,
) -> None:
    bell, analyzer = WatchedBell(), PlantedAnalyzer()
    with processing(store, analyzer, in_batches=True, bell=bell, brain_poll_s=60):
        until(lambda: bell.waits >= 1)
        for _ in range(2):
            make_claimable(store, 1)
            bell.ring()
            until(lambda: store.queries.count_states()[ReportGenerated.TO_DO] == 0)
            until(lambda: store.queries.count_states()[ReportGenerated.IN_PROGRESS] == 0)
        time.sleep(0.3)
        # It has rung for nobody, which would have been itself.
        assert bell.heard == 2
        assert len(analyzer.calls) == 2


def test_without_a_ring_a_scan_is_found_at_the_next_look(store: DBManager) -> None:
    analyzer = PlantedAnalyzer()
    with processing(store, analyzer, bell=Bell(CONTEXT), brain_poll_s=0.2):
        [scan] = make_claimable(store, 1)
        until(lambda: state_of(store, scan.scan_id) == ReportGenerated.DONE)
