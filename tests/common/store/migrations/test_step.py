"""The progress of a step, and its end."""

import threading

import pytest

from common.store.db_manager import DBManager
from common.store.migrations.step import MigrationStopped, Work


def test_a_step_tells_its_progress_and_ends_when_it_is_stopped(store: DBManager) -> None:
    told: list[tuple[str, int, int]] = []
    stop = threading.Event()
    work = Work(store.connection.database, lambda *now: told.append(now), stop)
    work.went_on("keys", 1, 2)
    stop.set()
    with pytest.raises(MigrationStopped):
        work.went_on("keys", 2, 2)
    assert told == [("keys", 1, 2), ("keys", 2, 2)]
