"""The work signal: a wake-up wakes one processor, and none is lost that a processor waits for."""

import threading
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import pytest

from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_brain.work_signal import HINT_S, WorkSignal
from tests.factories import edit, make_claimable, make_scan, state_of
from tests.fr_brain.processors import QUICK_S, Gate, PlantedAnalyzer, processing
from tests.running import until

CONTEXT = get_context("spawn")


def test_a_wake_up_wakes_one_of_those_that_wait() -> None:
    signal, heard = WorkSignal(CONTEXT), threading.Semaphore(0)

    def wait() -> None:
        if signal.wait(60):
            heard.release()

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    signal.notify()
    assert heard.acquire(timeout=10)
    assert not heard.acquire(timeout=0.3)
    for _ in range(2):
        signal.notify_always()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_wake_up_that_nobody_waited_for_is_kept_once_for_the_next() -> None:
    signal = WorkSignal(CONTEXT)
    for _ in range(5):
        signal.notify()
    assert signal.wait(0)
    assert not signal.wait(0.05)


def test_wake_ups_that_must_arrive_are_not_coalesced() -> None:
    signal = WorkSignal(CONTEXT)
    signal.notify()
    signal.notify_always()
    assert signal.wait(0)
    assert signal.wait(0)


def test_a_wake_up_names_the_only_scan_that_it_is_about() -> None:
    signal = WorkSignal(CONTEXT)
    signal.notify("1@pacs-1")
    assert signal.wait(0)
    assert signal.named() == "1@pacs-1"
    signal.notify()
    assert signal.wait(0)
    assert signal.named() is None


def test_a_wake_up_for_two_scans_names_none() -> None:
    signal = WorkSignal(CONTEXT)
    signal.notify("1@pacs-1")
    signal.notify("2@pacs-1")
    assert signal.wait(0)
    assert signal.named() is None


class OvertakenSignal(WorkSignal):
    """A processor takes the wake-up that is kept just before the next one takes its name away."""

    def __init__(self) -> None:
        super().__init__(CONTEXT)
        self.taken: list[str | None] = []

    def _write(self, named: str | None) -> None:
        if self.wait(0):
            self.taken.append(self.named())
        super()._write(named)


def test_a_wake_up_is_not_lost_with_one_that_is_taken_at_that_moment() -> None:
    signal = OvertakenSignal()
    signal.notify("1@pacs-1")
    signal.notify("2@pacs-1")
    assert signal.taken == ["1@pacs-1"]  # and claims that scan alone
    assert signal.wait(0)
    assert signal.named() is None


def test_a_name_is_old_after_a_moment() -> None:
    signal = WorkSignal(CONTEXT)
    signal.notify("1@pacs-1")
    time.sleep(HINT_S)
    assert signal.wait(0)
    assert signal.named() is None


@pytest.mark.parametrize("torn", [{"key": b"2@pacs-1"}, {"checksum": 7}, {"at": 1.0}])
def test_a_torn_name_is_none(torn: dict[str, Any]) -> None:
    signal = WorkSignal(CONTEXT)
    signal.notify("1@pacs-1")
    assert signal.wait(0)
    for name, value in torn.items():
        setattr(signal._hint, name, value)
    assert signal.named() is None


def test_a_name_that_is_too_long_is_none() -> None:
    signal = WorkSignal(CONTEXT)
    signal.notify("x" * 256)
    assert signal.wait(0)
    assert signal.named() is None


def _report_wake_ups(signal: WorkSignal, woken: Connection) -> None:
    while signal.wait(600):
        woken.send("woken")


def test_a_process_killed_while_it_waits_takes_no_later_wake_up_along() -> None:
    signal = WorkSignal(CONTEXT)
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_report_wake_ups, args=(signal, there))
    process.start()
    signal.notify()
    assert here.recv() == "woken"  # it waits for the next one now
    process.kill()
    process.join()
    signal.notify()
    assert signal.wait(5)


class WatchedSignal(WorkSignal):
    """It counts the waits that have begun, and the wake-ups."""

    def __init__(self) -> None:
        super().__init__(CONTEXT)
        self.waits = self.wakes = 0

    def wait(self, timeout_s: float) -> bool:
        """Wait, and count."""
        self.waits += 1
        woken = super().wait(timeout_s)
        self.wakes += woken
        return woken


def test_a_processor_that_leaves_scans_waiting_wakes_the_next(store: DBManager) -> None:
    signal, gates = WatchedSignal(), [Gate(), Gate()]
    with (
        processing(store, gates[0], owner="one", work_signal=signal, brain_poll_s=60),
        processing(store, gates[1], owner="two", work_signal=signal, brain_poll_s=60),
    ):
        until(lambda: signal.waits >= 2)
        made = [make_scan() for _ in gates]
        store.scans.add([NewScan(*one) for one in made])
        signal.notify()
        assert {gate.begun() for gate in gates} == {scan.key for scan, _ in made}


def test_a_processor_that_claims_all_that_waits_wakes_nobody(
    store: DBManager,
) -> None:
    signal, analyzer = WatchedSignal(), PlantedAnalyzer()
    with processing(store, analyzer, seconds_per_scan=QUICK_S, work_signal=signal, brain_poll_s=60):
        until(lambda: signal.waits >= 1)
        for _ in range(2):
            make_claimable(store, 1)
            signal.notify()
            until(lambda: store.queries.count_states()[ReportGenerated.TO_DO] == 0)
            until(lambda: store.queries.count_states()[ReportGenerated.IN_PROGRESS] == 0)
        time.sleep(0.3)
        # A wake-up for nobody would have come back to itself.
        assert signal.wakes == 2
        assert len(analyzer.calls) == 2


def test_a_named_scan_puts_off_no_poll(store: DBManager) -> None:
    signal = WorkSignal(CONTEXT)
    with processing(store, PlantedAnalyzer(), work_signal=signal, brain_poll_s=2):
        [first] = make_claimable(store, 1)
        signal.notify()
        until(lambda: state_of(store, first.key) == ReportGenerated.DONE)
        began = time.monotonic()
        [waits] = make_claimable(store, 1)
        edit(store, waits.key, attempts=1)  # its pause is over, which nothing announces
        time.sleep(1.5)
        [named] = make_claimable(store, 1)
        signal.notify(named.key)
        until(lambda: state_of(store, named.key) == ReportGenerated.DONE)
        until(lambda: state_of(store, waits.key) == ReportGenerated.DONE)
        assert time.monotonic() - began < 3


def test_without_a_wake_up_a_scan_is_found_at_the_next_poll(store: DBManager) -> None:
    analyzer = PlantedAnalyzer()
    with processing(store, analyzer, work_signal=WorkSignal(CONTEXT), brain_poll_s=0.2):
        [scan] = make_claimable(store, 1)
        until(lambda: state_of(store, scan.key) == ReportGenerated.DONE)
