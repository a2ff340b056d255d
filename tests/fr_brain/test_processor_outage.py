"""A processor whose MongoDB is killed and started again: it goes on, one report for each scan."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.domain.states import ReportGenerated
from common.errors import StoreUnavailable
from common.store.db_manager import DBManager
from tests.factories import make_claimable, opened, own_mongod
from tests.fr_brain.processors import QUICK_S, Gate, PlantedAnalyzer, processing
from tests.running import until

BACK_S = 40.0
"""The pauses between tries grow to some seconds."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as that of a socket must be."""
    with tempfile.TemporaryDirectory(prefix="fr-") as folder:
        yield Path(folder)


def all_done(store: DBManager, count: int) -> bool:
    """Whether so many scans are done, each with its report."""
    try:
        states, reports = store.queries.count_states(), store.queries.count_reports()
    except StoreUnavailable:
        return False
    return (states[ReportGenerated.DONE], sum(reports.values())) == (count, count)


def test_mongodb_killed_while_a_scan_is_in_hand_costs_no_report_and_adds_none(
    folder: Path,
) -> None:
    """A claim may be forgotten, as it is not journaled: then a scan is analysed twice."""
    gate = Gate()
    with own_mongod(folder) as mongod, opened(mongod.uri, "fr", timeout_s=1) as store:
        scans = make_claimable(store, 4)
        with processing(store, gate, seconds_per_scan=QUICK_S):
            gate.begun()
            mongod.kill()
            gate.open()
            until(lambda: len(gate.calls) == 4)
            with own_mongod(folder):
                until(lambda: all_done(store, 4), BACK_S)
    assert set(gate.calls) == {scan.key for scan in scans}


@pytest.mark.long
def test_mongodb_killed_while_nothing_is_to_do_is_waited_for(folder: Path) -> None:
    analyzer = PlantedAnalyzer()
    with (
        own_mongod(folder) as mongod,
        opened(mongod.uri, "fr", timeout_s=1) as store,
        processing(store, analyzer) as running,
    ):
        make_claimable(store, 1)
        until(lambda: all_done(store, 1))
        mongod.kill()
        until(lambda: running.processor._availability._available is False)
        with own_mongod(folder):
            make_claimable(store, 2)
            until(lambda: all_done(store, 3), BACK_S)


def test_a_processor_stops_while_mongodb_is_away(folder: Path) -> None:
    gate = Gate()
    with own_mongod(folder) as mongod, opened(mongod.uri, "fr", timeout_s=1) as store:
        make_claimable(store, 2)
        with processing(store, gate, seconds_per_scan=QUICK_S) as running:
            gate.begun()
            mongod.kill()
            gate.open()
            until(lambda: running.processor._availability._available is False)
            running.stop.set()
            running.thread.join(10)
            assert not running.thread.is_alive()
