"""The place of one processor: a new owner id each time, and pauses that grow after quick exits."""

import multiprocessing
from collections.abc import Iterator

import pytest

from common.store.db_manager import DBManager
from fr_brain.process_slot import ProcessSlot
from fr_brain.work_signal import WorkSignal
from tests.fr_brain.processors import brain_settings
from tests.running import until


@pytest.fixture
def slot(store: DBManager) -> Iterator[ProcessSlot]:
    context = multiprocessing.get_context("spawn")
    settings = brain_settings(mongodb_database=store.connection.name)
    slot = ProcessSlot(3, settings, store.connection.uri, context, WorkSignal(context))
    yield slot
    if slot.process is not None:
        slot.process.kill()
        slot.process.join()


def test_a_killed_process_leaves_its_owner_and_cause_and_the_next_one_waits(
    slot: ProcessSlot,
) -> None:
    assert slot.start_if_due()
    assert not slot.start_if_due()  # it runs
    first = slot.owner
    slot.kill("time limit of 1 s")
    until(slot.has_exited)
    assert slot.reap() == -9
    assert slot.killed_for == "stopped at its time limit of 1 s"
    dead = slot.dead("a cause")
    assert (dead.number, dead.owner, dead.current, dead.cause) == (3, first, None, "a cause")
    assert slot.pause_s == 1.0
    assert not slot.start_if_due()  # the pause is not over
    assert not slot.has_exited()

    until(slot.start_if_due)
    assert slot.owner != first
    assert slot.killed_for == ""
    slot.kill("memory limit")
    until(slot.has_exited)
    slot.reap()
    assert slot.pause_s == 2.0
