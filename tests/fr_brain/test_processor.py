"""A processor on a real MongoDB: each scan gets its one report, or an 'Error' with a cause."""

import os
import time
from collections.abc import Iterator

import pytest

from common.domain.findings import Findings
from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.voxel_compression import pack
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_brain.analyzers.grid import GridAnalyzer
from tests.factories import (
    document_of,
    edit,
    expire,
    inside,
    make_claimable,
    make_report,
    make_scan,
    make_upload,
    opened,
    pieces_of,
    state_of,
)
from tests.fr_brain.processors import (
    NOTHING_FOUND,
    Gate,
    PlantedAnalyzer,
    Running,
    brain_settings,
    processing,
    registry_of,
)
from tests.running import until


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store


def in_state(store: DBManager, state: ReportGenerated) -> int:
    """How many scans are there."""
    return store.queries.count_states()[state]


def report_of(store: DBManager, scan_id: str) -> BrainReport | None:
    """A scan's report, as it is stored."""
    found = document_of(store, scan_id, Collection.REPORTS)
    return found and BrainReport.model_validate(found["report"])


# --- reports -------------------------------------------------------------------------------------


def test_each_scan_gets_a_report_and_is_done(store: DBManager) -> None:
    scans = make_claimable(store, 20)
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 20)
    assert store.queries.count_reports() == {True: 0, False: 20}
    for scan in scans:
        report = report_of(store, scan.scan_id)
        assert report is not None
        assert (report.scan_id, report.pacs, report.scan_type) == (scan.scan_id, "pacs-1", "grid")
        assert (report.voxels_hash, report.shape) == (scan.voxels_hash, scan.shape)
        assert (report.analyzer.name, report.analyzer.version) == ("grid", "1")
        assert report.findings.lesions is not None
        assert report.findings.lesions.count == 99
        assert report.run_time_ms >= 0


def test_a_large_scan_is_put_together_from_its_chunks(store: DBManager) -> None:
    new, voxels = make_upload(store)
    store.scans.add([new])
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    report = report_of(store, new.scan.scan_id)
    assert report is not None
    assert report.findings.lesions is not None
    assert report.findings.lesions.count == len(voxels) - voxels.count(0)


def test_a_compressed_scan_is_unpacked(store: DBManager) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    packed = pack(voxels, 1)
    assert packed is not None
    blob = store.uploads.begin()
    store.uploads.add_chunks(blob, 0, pieces_of(packed[0]))
    store.scans.add([NewScan(scan, blob=blob, packing=packed[1])])
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    report = report_of(store, scan.scan_id)
    assert report is not None
    assert report.findings.lesions is not None
    assert report.findings.lesions.count == len(voxels) - voxels.count(0)


def test_a_payload_that_stands_for_other_voxels_ends_in_an_error(store: DBManager) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    packed = pack(voxels[::-1], 1)  # whole, and not what the header declares
    assert packed is not None
    blob = store.uploads.begin()
    store.uploads.add_chunks(blob, 0, pieces_of(packed[0]))
    store.scans.add([NewScan(scan, blob=blob, packing=packed[1])])
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert store.queries.count_reports() == {True: 0, False: 0}


def test_two_processors_share_the_scans_and_each_is_analysed_once(store: DBManager) -> None:
    scans = make_claimable(store, 60)
    one, two = PlantedAnalyzer(), PlantedAnalyzer()
    with processing(store, one, owner="one"), processing(store, two, owner="two"):
        until(lambda: in_state(store, ReportGenerated.DONE) == 60)
    assert sorted(one.calls + two.calls) == sorted(scan.scan_id for scan in scans)


def sizes_of_claims(store: DBManager, seconds_a_scan: float, processes: int) -> list[int]:
    """Of all that waits, as one of so many processors claims it, each of its scans taking so
    long."""
    # Not started: its claims are asked for one by one.
    settings = brain_settings(brain_processes=processes)
    running = Running(store, registry_of(), settings, "the processor")
    running.processor._seconds_a_scan = seconds_a_scan
    claimed = []
    while claims := running.processor._claim():
        claimed.append(len(claims))
    running.end()
    return claimed


def test_many_processors_claim_their_shares_while_more_waits_than_they_claim_at_once(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    make_claimable(store, 120)
    claimed = sizes_of_claims(store, seconds_a_scan=0.125, processes=32)
    # What takes a quarter of a second; then an equal part of what is left, until that is less.
    assert claimed[:3] == [2, 118 // 32, 115 // 32]
    assert claimed == [2, *sorted(claimed[1:], reverse=True)]
    assert sum(claimed) == 120


def test_a_share_is_no_more_than_takes_a_second_or_so(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    make_claimable(store, 600)
    assert sizes_of_claims(store, seconds_a_scan=0.125, processes=32)[:3] == [2, 8, 8]


@pytest.mark.parametrize(("seconds_a_scan", "at_once"), [(1.5, 1), (0.125, 2)])
def test_few_processors_claim_a_quarter_of_a_second_at_a_time_however_many_wait(
    store: DBManager, seconds_a_scan: float, at_once: int
) -> None:
    make_claimable(store, 20)
    claimed = sizes_of_claims(store, seconds_a_scan, processes=os.cpu_count() or 1)
    assert claimed == [at_once] * (20 // at_once)


def test_a_new_scan_is_claimed_without_waiting_for_the_next_look(store: DBManager) -> None:
    with processing(store, PlantedAnalyzer(), brain_poll_s=5):
        for _ in range(4):
            scan, voxels = make_scan()
            began = time.monotonic()
            store.scans.add([NewScan(scan, voxels=voxels)])
            until(lambda: state_of(store, scan.scan_id) == ReportGenerated.DONE)  # noqa: B023
            assert time.monotonic() - began < 1


def test_an_idle_processor_stops_soon_however_seldom_it_looks(store: DBManager) -> None:
    with processing(store, PlantedAnalyzer(), brain_poll_s=60) as running:
        make_claimable(store, 1)
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
        running.stop.set()
        running.thread.join(4)
        assert not running.thread.is_alive()


# --- what gives no report ------------------------------------------------------------------------


def test_a_scan_on_which_the_analyzer_fails_is_tried_again_and_then_set_aside(
    store: DBManager, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(scan: BrainScan) -> Findings:
        raise RuntimeError(scan.subject)

    analyzer = PlantedAnalyzer(fail)
    [scan] = make_claimable(store, 1, subject="JANE-DOE-1970")
    with processing(store, analyzer, brain_attempts=3):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert analyzer.calls == [scan.scan_id] * 3
    [(scan_id, cause, _)] = store.queries.errors()
    assert (scan_id, cause) == (scan.scan_id, "the analyzer failed: RuntimeError")
    assert store.queries.count_reports() == {True: 0, False: 0}
    said = capfd.readouterr()
    assert "RuntimeError" in said.out
    assert "JANE" not in said.out + said.err  # debug lines too: what it quotes may be a patient's


def test_a_scan_that_fails_once_has_its_report_at_the_second_try(store: DBManager) -> None:
    def fail_first(_: BrainScan) -> Findings:
        if len(analyzer.calls) == 1:
            raise MemoryError
        return NOTHING_FOUND

    analyzer = PlantedAnalyzer(fail_first)
    [scan] = make_claimable(store, 1)
    with processing(store, analyzer):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    assert "error" not in document_of(store, scan.scan_id)


def test_one_bad_scan_holds_up_no_other(store: DBManager) -> None:
    scans = make_claimable(store, 30)
    bad = scans[7].scan_id

    def fail_on_one(scan: BrainScan) -> Findings:
        if scan.scan_id == bad:
            raise ValueError
        return NOTHING_FOUND

    with processing(store, PlantedAnalyzer(fail_on_one)):
        until(lambda: in_state(store, ReportGenerated.DONE) == 29)
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert state_of(store, bad) == ReportGenerated.ERROR


def test_an_analyzer_that_returns_no_findings_has_failed_like_any_other(store: DBManager) -> None:
    make_claimable(store, 1)
    analyzer = PlantedAnalyzer(lambda _: "all is well")  # type: ignore[arg-type, return-value]
    with processing(store, analyzer):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    [(_, cause, _)] = store.queries.errors()
    assert cause == "the analyzer failed: ValidationError"


def test_a_scan_type_that_nobody_reads_ends_in_an_error_that_names_the_known_ones(
    store: DBManager,
) -> None:
    make_claimable(store, 1, scan_type="hologram")
    with processing(store, PlantedAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    [(_, cause, _)] = store.queries.errors()
    assert cause == "no analyzer takes scans of type 'hologram'; known: grid"


@pytest.mark.parametrize("damage", ["flipped", "missing", "short"])
def test_a_damaged_chunk_ends_in_an_error_and_no_report(store: DBManager, damage: str) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    chunks = inside(store, Collection.CHUNKS)
    second = {"_id": {"blob": new.blob, "n": 1}}
    voxels = bytearray(chunks.find_one(second)["voxels"])  # type: ignore[index]
    if damage == "missing":
        chunks.delete_one(second)
    else:
        voxels[5] ^= 1
        kept = bytes(voxels if damage == "flipped" else voxels[:-1])
        chunks.update_one(second, {"$set": {"voxels": kept}})
    analyzer = PlantedAnalyzer()
    with processing(store, analyzer):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    [(_, cause, _)] = store.queries.errors()
    assert cause.startswith("stored voxels are damaged: ")
    assert analyzer.calls == []
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert document_of(store, new.scan.scan_id)["attempts"] == 1  # no other try can mend it


def test_damaged_voxels_inside_the_scan_end_in_an_error_too(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.scan_id, voxels=bytes(100))
    with processing(store, PlantedAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert store.queries.count_reports() == {True: 0, False: 0}


def test_a_scan_whose_attempts_were_used_up_by_dying_processors_is_set_aside(
    store: DBManager,
) -> None:
    scan, other = make_claimable(store, 2)
    edit(store, scan.scan_id, attempts=3)
    analyzer = PlantedAnalyzer()
    with processing(store, analyzer, brain_attempts=3):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    assert analyzer.calls == [other.scan_id]
    [(scan_id, cause, _)] = store.queries.errors()
    assert scan_id == scan.scan_id
    assert "processor ended or stopped answering" in cause


# --- claims --------------------------------------------------------------------------------------


def test_a_claim_that_ended_without_a_report_is_taken_over(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    store.claims.claim("somebody who died", 1, 30)
    expire(store, scan.scan_id)
    with processing(store, PlantedAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    document = document_of(store, scan.scan_id)
    assert (document["owner"], document["attempts"]) == ("the processor", 2)


def test_all_that_a_dead_processor_held_is_taken_over_one_after_the_other(
    store: DBManager,
) -> None:
    scans = make_claimable(store, 20)
    assert len(store.claims.claim("dead", 20, 60)) == 20
    expire(store, *(scan.scan_id for scan in scans))
    # The next look back is in 30 s: this must not wait for one each.
    with processing(store, GridAnalyzer(), brain_lease_s=300.0):
        until(lambda: in_state(store, ReportGenerated.DONE) == 20)


@pytest.mark.parametrize(("attempts", "held"), [(5, 3), (2, 1)])
def test_what_may_kill_its_processor_has_others_with_it_only_if_they_can_be_alone_later(
    store: DBManager, attempts: int, held: int
) -> None:
    scans = make_claimable(store, 3)
    store.claims.claim("dead", 3, 60)
    expire(store, *(scan.scan_id for scan in scans))
    gate = Gate()
    with processing(store, gate, in_batches=True, brain_attempts=attempts) as running:
        gate.begun()
        owners = [document_of(store, scan.scan_id)["owner"] for scan in scans]
        assert owners.count("the processor") == len(running.processor._held) == held
        gate.open()
        until(lambda: in_state(store, ReportGenerated.DONE) == 3)


def test_who_lost_its_claim_while_analysing_does_not_finish_the_scan(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    gate = Gate()
    with processing(store, gate) as stale:
        gate.begun()
        expire(store, scan.scan_id)
        [claim] = store.claims.claim_expired("another", 30)
        gate.open()
        stale.stop.set()
    document = document_of(store, scan.scan_id)
    assert (document["report_generated"], document["owner"]) == ("In Progress", "another")
    assert not store.claims.complete([(claim, make_report(claim.scan))])
    assert state_of(store, scan.scan_id) == ReportGenerated.DONE
    assert sum(store.queries.count_reports().values()) == 1


def test_who_was_stopped_for_longer_than_its_lease_writes_no_report(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    gate = Gate()
    with processing(store, gate) as stale:
        gate.begun()
        expire(store, scan.scan_id)
        store.claims.claim_expired("another", 30)
        stale.processor._claimed -= 30  # as if it had stood still for so long
        gate.open()
        stale.stop.set()
    assert sum(store.queries.count_reports().values()) == 0


def test_a_scan_slower_than_its_lease_stays_its_owners(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    gate = Gate()
    with processing(store, gate, brain_lease_s=1):
        gate.begun()
        began = document_of(store, scan.scan_id)

        def renewed_for_two_leases() -> bool:
            assert not store.claims.claim_expired("a rival", 30)
            now = document_of(store, scan.scan_id)
            return bool((now["lease_until"] - began["claimed_at"]).total_seconds() > 3)

        until(renewed_for_two_leases)
        gate.open()
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    document = document_of(store, scan.scan_id)
    assert (document["owner"], document["attempts"]) == ("the processor", 1)
    assert gate.calls == [scan.scan_id]


def test_scans_of_a_batch_that_were_lost_before_their_turn_are_passed_over(
    store: DBManager,
) -> None:
    first, second, third = make_claimable(store, 3)
    gate = Gate()
    with processing(store, gate, in_batches=True, brain_lease_s=1) as running:
        assert gate.begun() == first.scan_id
        until(lambda: in_state(store, ReportGenerated.IN_PROGRESS) == 3)
        expire(store, second.scan_id)
        [claim] = store.claims.claim_expired("another", 30)
        held = running.processor._held
        until(lambda: second.scan_id not in held)
        gate.open()
        until(lambda: in_state(store, ReportGenerated.DONE) == 2)
    assert gate.calls == [first.scan_id, third.scan_id]
    assert claim.scan == second


def test_stopped_in_a_batch_it_finishes_the_scan_in_hand_and_gives_the_others_back(
    store: DBManager,
) -> None:
    first, *others = make_claimable(store, 5)
    gate = Gate()
    with processing(store, gate, in_batches=True) as running:
        assert gate.begun() == first.scan_id
        until(lambda: in_state(store, ReportGenerated.IN_PROGRESS) == 5)
        running.stop.set()
        gate.open()
        running.thread.join(10)
    assert gate.calls == [first.scan_id]
    assert state_of(store, first.scan_id) == ReportGenerated.DONE
    for scan in others:
        document = document_of(store, scan.scan_id)
        assert (document["report_generated"], document["attempts"]) == ("To Do", 0)
    assert sum(store.queries.count_reports().values()) == 1
