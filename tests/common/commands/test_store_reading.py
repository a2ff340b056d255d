"""Reading the whole store in ranges and by several processes finds what one process finds."""

import dataclasses
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from common.commands import store_reading
from common.commands.store_reading import Disagreements, read_store
from common.errors import StoreError
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.queries import ALL_KEYS, KeyRange
from tests.factories import edit, inside, make_claimable, make_reports
from tests.running import until


def plant(store: DBManager) -> None:
    """Every kind of disagreement, at several places in the order of the ids."""
    reported = [report.key for report in make_reports(store, 40)]
    waiting = [scan.key for scan in make_claimable(store, 20)]
    for key in waiting[::5]:
        edit(store, key, report_generated="Done")
    inside(store).delete_many({"_id": {"$in": reported[::9]}})
    for key in reported[1::9]:
        edit(store, key, report_generated="Error")
    for key in waiting[1::5]:
        edit(store, key, report_generated="Lost")
    for key in waiting[2::5]:
        edit(store, key, attempts="many")
    for key in reported[2::9]:
        inside(store, Collection.REPORTS).update_one({"_id": key}, {"$set": {"tries": "x"}})
    for key in reported[3::9]:
        change = {"$set": {"labels": {"fence": 1, "maps": "x"}}}
        inside(store, Collection.REPORTS).update_one({"_id": key}, change)
    for collection in (Collection.SCANS, Collection.REPORTS):
        inside(store, collection).insert_one({"_id": 7})


def as_sets(found: Disagreements) -> dict[str, list[str]]:
    return {name: sorted(keys) for name, keys in dataclasses.asdict(found).items()}


def test_several_processes_find_what_one_finds(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store)
    alone = as_sets(read_store(store))
    monkeypatch.setattr(store_reading, "ALONE_MAX", 10)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    together = as_sets(read_store(store))
    assert together == alone
    counts = {name: len(keys) for name, keys in alone.items()}
    assert counts == {
        "done_without_report": 4,
        "report_without_scan": 5,
        "error_with_report": 5,
        "state_unknown": 4,
        "damaged_scans": 5,
        "damaged_reports": 6,
        "labels_missing": 5,
    }


def test_a_killed_process_is_an_error_of_the_store_and_no_gap(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_claimable(store, 20)
    monkeypatch.setattr(store_reading, "ALONE_MAX", 10)
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    def kill_one() -> None:
        until(lambda: bool(multiprocessing.active_children()))
        multiprocessing.active_children()[0].kill()

    killing = threading.Thread(target=kill_one)
    killing.start()
    with pytest.raises(StoreError, match="was killed"):
        read_store(store)
    killing.join()


_READING = """
import os, sys, time
from common.commands import store_reading
from common.store.db_manager import DBManager

store_reading._read = lambda *_: time.sleep(600)
if __name__ == "__main__":
    store_reading.ALONE_MAX, os.cpu_count = 0, lambda: 2
    store_reading.read_store(DBManager(*sys.argv[1:]))
"""


def test_the_processes_end_when_the_one_that_started_them_is_killed(
    store: DBManager, tmp_path: Path
) -> None:
    make_claimable(store, 20)
    program = tmp_path / "reading.py"
    program.write_text(_READING)
    command = [sys.executable, str(program), store.connection.uri, store.connection.name]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(command, env=environment) as reading:
        parent = psutil.Process(reading.pid)

        def readers() -> list[Any]:
            return [one for one in parent.children() if "spawn_main" in " ".join(one.cmdline())]

        try:
            until(lambda: len(readers()) == 2)
            started = readers()
        finally:
            reading.kill()
    _, alive = psutil.wait_procs(started, 10)
    for one in alive:
        one.kill()
    assert not alive


@pytest.mark.parametrize("count", [1, 2, 7])
def test_ranges_of_keys_follow_one_another_and_leave_none_out(store: DBManager, count: int) -> None:
    keys = {scan.key for scan in make_claimable(store, 50)}
    ranges = store.queries.key_ranges(count)
    assert 1 <= len(ranges) <= count
    assert (ranges[0].first, ranges[-1].end) == ("", None)
    assert [one.end for one in ranges[:-1]] == [one.first for one in ranges[1:]]
    found = [key for one in ranges for key, _ in store.queries.scan_states(keys=one)]
    assert sorted(found) == sorted(keys)


def test_an_empty_store_is_one_range(store: DBManager) -> None:
    assert store.queries.key_ranges(8) == [ALL_KEYS]
    assert as_sets(read_store(store)) == as_sets(Disagreements())


def test_a_range_ends_before_its_end(store: DBManager) -> None:
    first, second = sorted(scan.key for scan in make_claimable(store, 2))
    assert [key for key, _ in store.queries.scan_states(keys=KeyRange(first, second))] == [first]
