"""A processor claims and fetches the next large scan while it analyses one."""

import time
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import pytest

from common.domain.findings import Findings
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from fr_brain.processor import AHEAD_S
from tests.factories import LONG_AGO, document_of, edit, make_upload, opened, state_of
from tests.fr_brain.processors import Gate, PlantedAnalyzer, processing
from tests.running import until

SOON_ENOUGH_S = 1.0
"""Well after a processor would have looked ahead."""


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store


def large(store: DBManager, count: int) -> list[str]:
    """Large scans that can be claimed, oldest first; their ids."""
    ids = []
    for age in range(count):
        new, _ = make_upload(store)
        store.scans.add([new])
        edit(store, new.scan.scan_id, received_at=LONG_AGO.replace(microsecond=1000 * age))
        ids.append(new.scan.scan_id)
    return ids


def attempts_of(store: DBManager, scan_id: str) -> int:
    found = document_of(store, scan_id)
    assert found is not None
    return int(found["attempts"])


def test_the_next_is_claimed_while_one_is_analysed_and_each_has_its_report(
    store: DBManager,
) -> None:
    first, second, third = large(store, 3)
    gate = Gate()
    with processing(store, gate):
        assert gate.begun() == first
        until(lambda: state_of(store, second) == ReportGenerated.IN_PROGRESS)
        assert state_of(store, third) == ReportGenerated.TO_DO
        gate.open()
        until(lambda: store.queries.count_states()[ReportGenerated.DONE] == 3)
    assert gate.calls == [first, second, third]
    assert [attempts_of(store, one) for one in (first, second, third)] == [1, 1, 1]
    assert store.queries.count_reports() == {True: 0, False: 3}


def test_of_quick_scans_too_only_one_is_claimed_ahead(store: DBManager) -> None:
    first, second, third = large(store, 3)
    gate = Gate()
    with processing(store, gate) as running:
        assert gate.begun() == first
        running.processor._seconds_a_scan = 0.01
        until(lambda: state_of(store, second) == ReportGenerated.IN_PROGRESS)
        assert state_of(store, third) == ReportGenerated.TO_DO


def test_what_is_fetched_ahead_is_the_next_scans_own(store: DBManager) -> None:
    uploads = [make_upload(store, chunks) for chunks in (2, 3, 4, 5)]
    store.scans.add([new for new, _ in uploads])
    seen: dict[str, bytes] = {}

    class Reader(PlantedAnalyzer):
        def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
            seen[scan.scan_id] = voxels.tobytes(order="F")
            time.sleep(0.2)
            return super().analyse(scan, voxels)

    with processing(store, Reader()):
        until(lambda: store.queries.count_states()[ReportGenerated.DONE] == 4)
    assert seen == {new.scan.scan_id: bytes(voxels) for new, voxels in uploads}


def test_a_scan_that_was_claimed_before_is_not_claimed_beside_another(store: DBManager) -> None:
    first, second = large(store, 2)
    edit(store, second, attempts=1)
    gate = Gate()
    with processing(store, gate):
        assert gate.begun() == first
        time.sleep(SOON_ENOUGH_S)
        assert state_of(store, second) == ReportGenerated.TO_DO
        gate.open()
        until(lambda: store.queries.count_states()[ReportGenerated.DONE] == 2)


def test_nothing_is_claimed_beside_a_scan_that_was_claimed_before(store: DBManager) -> None:
    first, second = large(store, 2)
    edit(store, first, attempts=1)
    gate = Gate()
    with processing(store, gate):
        assert gate.begun() == first
        time.sleep(SOON_ENOUGH_S)
        assert state_of(store, second) == ReportGenerated.TO_DO


def test_nothing_is_claimed_beside_a_scan_where_scans_take_long(store: DBManager) -> None:
    first, second = large(store, 2)
    gate = Gate()
    with processing(store, gate) as running:
        running.processor._seconds_a_scan = 2 * AHEAD_S
        assert gate.begun() == first
        time.sleep(AHEAD_S + SOON_ENOUGH_S)
        assert state_of(store, second) == ReportGenerated.TO_DO


def test_stopped_it_gives_back_what_it_claimed_ahead(store: DBManager) -> None:
    first, second = large(store, 2)
    gate = Gate()
    with processing(store, gate) as running:
        assert gate.begun() == first
        until(lambda: state_of(store, second) == ReportGenerated.IN_PROGRESS)
        running.stop.set()
    assert state_of(store, first) == ReportGenerated.DONE
    assert state_of(store, second) == ReportGenerated.TO_DO
    assert attempts_of(store, second) == 0


def test_a_damaged_scan_that_was_fetched_ahead_ends_in_an_error_of_its_own(
    store: DBManager,
) -> None:
    _, second, third = large(store, 3)
    edit(store, second, **{"scan.voxels_hash": "0" * 64})
    gate = Gate()
    with processing(store, gate):
        gate.begun()
        until(lambda: state_of(store, second) == ReportGenerated.IN_PROGRESS)
        gate.open()
        until(lambda: store.queries.count_states()[ReportGenerated.DONE] == 2)
        until(lambda: state_of(store, second) == ReportGenerated.ERROR)
    assert state_of(store, third) == ReportGenerated.DONE
