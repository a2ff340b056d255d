"""A processor on a real MongoDB: the loop from claim to completion."""

import time
from typing import Any

import pytest

from common.domain.findings import Findings
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_brain import analysis
from tests.common.store.damage_kinds import damage
from tests.factories import (
    document_of,
    expire,
    inside,
    make_claimable,
    make_scan,
    state_of,
)
from tests.fr_brain.processors import NOTHING_FOUND, QUICK_S, PlantedAnalyzer, in_state, processing
from tests.running import SOON_S, until


def test_two_processors_share_the_scans_and_each_is_analysed_once(store: DBManager) -> None:
    scans = make_claimable(store, 60)
    one, two = PlantedAnalyzer(), PlantedAnalyzer()
    with processing(store, one, owner="one"), processing(store, two, owner="two"):
        until(lambda: in_state(store, ReportGenerated.DONE) == 60)
    assert sorted(one.calls + two.calls) == sorted(scan.key for scan in scans)


def test_a_new_scan_is_claimed_without_waiting_for_the_next_poll(store: DBManager) -> None:
    with processing(store, PlantedAnalyzer(), brain_poll_s=5):
        for _ in range(4):
            scan, voxels = make_scan()
            began = time.monotonic()
            store.scans.add([NewScan(scan, voxels=voxels)])
            until(lambda: state_of(store, scan.key) == ReportGenerated.DONE)  # noqa: B023
            assert time.monotonic() - began < 1


def test_an_idle_processor_stops_soon_however_seldom_it_polls(store: DBManager) -> None:
    with processing(store, PlantedAnalyzer(), brain_poll_s=60) as running:
        make_claimable(store, 1)
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
        running.stop.set()
        running.thread.join(4)
        assert not running.thread.is_alive()


def test_one_bad_scan_blocks_no_other(store: DBManager) -> None:
    scans = make_claimable(store, 30)
    bad = scans[7].key

    def fail_on_one(scan: BrainScan) -> Findings:
        if scan.key == bad:
            raise ValueError
        return NOTHING_FOUND

    with processing(store, PlantedAnalyzer(fail_on_one)):
        until(lambda: in_state(store, ReportGenerated.DONE) == 29)
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert state_of(store, bad) == ReportGenerated.ERROR


def test_a_processor_whose_analyzer_does_not_free_its_memory_exits(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(_: BrainScan) -> Findings:
        raise MemoryError

    make_claimable(store, 1)
    monkeypatch.setattr(analysis, "resident_mib", lambda _: 2**20)
    with processing(store, PlantedAnalyzer(exhaust)) as running:
        running.thread.join(SOON_S)
        assert not running.thread.is_alive()
        assert not running.stop.is_set()
    assert in_state(store, ReportGenerated.TO_DO) == 1


def test_a_processor_that_fails_everything_pauses_and_leaves_most_scans_their_attempts(
    store: DBManager,
) -> None:
    new = [NewScan(*make_scan(voxels=bytes([n] * 100))) for n in range(60)]
    store.scans.add(new)

    def fail(_: BrainScan) -> Findings:
        raise OSError

    broken = PlantedAnalyzer(fail)
    with processing(
        store, broken, owner="broken", seconds_per_scan=QUICK_S, brain_retry_pause_s=60.0
    ) as running:
        until(lambda: running.processor._guard.tripped)
        with processing(store, PlantedAnalyzer(), owner="good"):
            until(lambda: in_state(store, ReportGenerated.DONE) >= 40)
    # Ten in a row, then one after each pause.
    assert len(broken.calls) <= 20
    assert in_state(store, ReportGenerated.ERROR) == 0


def test_a_host_on_which_a_scan_fails_leaves_the_last_attempt_to_another(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)

    def fail(_: BrainScan) -> Findings:
        raise OSError

    broken, good = PlantedAnalyzer(fail), PlantedAnalyzer()
    options: dict[str, Any] = {"brain_attempts": 2, "brain_retry_pause_s": 1.0}
    with processing(store, broken, owner="broken-1-1-a0", **options):
        until(lambda: document_of(store, scan.key).get("error"))
        with processing(store, good, owner="good-1-1-a0", **options):
            until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    assert (broken.calls, good.calls) == ([scan.key], [scan.key])


@pytest.mark.parametrize("kind", ["missing", "no number", "not UTF-8"])
def test_an_expired_claim_with_damaged_attempts_ends_no_processor(
    store: DBManager, kind: str
) -> None:
    bad, *good = (scan.key for scan in make_claimable(store, 4))
    store.claims.claim("dead", 4, 60)
    expire(store, bad, *good)
    damage(store, bad, "attempts", kind)
    with processing(store, PlantedAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 3)
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)


def test_scans_of_a_type_without_an_analyzer_are_left_to_others(store: DBManager) -> None:
    others = make_claimable(store, 3, scan_type="ecg")
    make_claimable(store, 3)
    with processing(store, PlantedAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 3)
    documents = [document_of(store, scan.key) for scan in others]
    assert {(d["report_generated"], d["attempts"], d["fence"]) for d in documents} == {
        ("To Do", 0, 0)
    }


def test_an_analyzer_that_vanished_costs_no_attempt_and_another_processor_takes_over(
    store: DBManager,
) -> None:
    make_claimable(store, 5)

    def vanished(_: BrainScan) -> Findings:
        raise ModuleNotFoundError

    broken = PlantedAnalyzer(vanished)
    with processing(store, broken, owner="broken", seconds_per_scan=QUICK_S):
        until(lambda: len(broken.calls) == 1 and in_state(store, ReportGenerated.TO_DO) == 5)
        with processing(store, PlantedAnalyzer(), owner="good"):
            until(lambda: in_state(store, ReportGenerated.DONE) == 5)
    assert len(broken.calls) == 1
    assert {d["attempts"] for d in inside(store).find({}, {"attempts": 1})} == {1}
