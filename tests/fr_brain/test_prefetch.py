"""A processor claims and fetches the next large scan while it analyses one."""

import contextlib
import time
from typing import Any

import numpy.typing as npt

from common.domain.findings import Findings
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.errors import VoxelsDamaged
from common.store.db_manager import DBManager
from common.store.documents import Claim
from fr_brain.claiming import PREFETCH_BELOW_S
from fr_brain.prefetch import Prefetcher
from fr_brain.voxels import Voxels, voxels_of
from tests.factories import LONG_AGO, document_of, edit, make_claimable, make_upload, state_of
from tests.fr_brain.processors import QUICK_S, Gate, PlantedAnalyzer, processing
from tests.running import until


def large(store: DBManager, count: int) -> list[str]:
    """Large scans that can be claimed, oldest first; their ids."""
    ids = []
    for age in range(count):
        new, _ = make_upload(store)
        store.scans.add([new])
        edit(store, new.scan.key, received_at=LONG_AGO.replace(microsecond=1000 * age))
        ids.append(new.scan.key)
    return ids


def attempts_of(store: DBManager, scan_id: str) -> int:
    found = document_of(store, scan_id)
    assert found is not None
    return int(found["attempts"])


# --- the prefetcher alone ------------------------------------------------------------------------


def load(claim: Claim) -> Voxels:
    return voxels_of(claim, claim.voxels or b"")


def small_claim(store: DBManager) -> Claim:
    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    return claim


def wait_for(prefetcher: Prefetcher) -> None:
    """Until it is done, or it would be cancelled."""
    until(lambda: prefetcher._running is not None and prefetcher._running.done())


def test_prefetched_voxels_are_given_once_and_for_their_scan_only(store: DBManager) -> None:
    claim, other = small_claim(store), small_claim(store)
    with contextlib.closing(Prefetcher(load, 10_000)) as prefetcher:
        prefetcher.start(lambda: [claim])
        wait_for(prefetcher)
        assert prefetcher.finish() == [claim]
        assert prefetcher.finish() == []
        voxels = prefetcher.take(claim)
        assert voxels is not None
        assert voxels.tobytes(order="F") == claim.voxels
        assert prefetcher.take(claim) is None
        prefetcher.start(lambda: [claim])
        wait_for(prefetcher)
        prefetcher.finish()
        assert prefetcher.take(other) is None


def test_a_prefetch_that_still_waits_is_cancelled(store: DBManager) -> None:
    claim = small_claim(store)
    with contextlib.closing(Prefetcher(load, 10_000)) as prefetcher:
        prefetcher.start(lambda: [claim], after_s=600)
        assert prefetcher.finish() == []


def test_a_scan_that_is_too_large_is_claimed_but_not_loaded(store: DBManager) -> None:
    claim = small_claim(store)
    with contextlib.closing(Prefetcher(load, 2 * claim.scan.voxels_bytes - 1)) as prefetcher:
        prefetcher.start(lambda: [claim])
        wait_for(prefetcher)
        assert prefetcher.finish() == [claim]
        assert prefetcher.take(claim) is None


def test_an_error_leaves_the_claim_to_the_regular_attempt(store: DBManager) -> None:
    claim = small_claim(store)

    def fail(_: Claim) -> Voxels:
        raise VoxelsDamaged("for the test")

    with contextlib.closing(Prefetcher(fail, 10_000)) as prefetcher:
        prefetcher.start(lambda: [claim])
        wait_for(prefetcher)
        assert prefetcher.finish() == [claim]
        assert prefetcher.take(claim) is None


# --- in a processor ------------------------------------------------------------------------------


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


def test_only_one_scan_is_prefetched_however_quick_they_are(store: DBManager) -> None:
    first, second, third = large(store, 3)
    gate = Gate()
    with processing(store, gate) as running:
        assert gate.begun() == first
        running.processor._claimer.seconds_per_scan = QUICK_S
        wait_for(running.processor._prefetcher)
        assert state_of(store, second) == ReportGenerated.IN_PROGRESS
        assert state_of(store, third) == ReportGenerated.TO_DO


def test_each_scan_is_analysed_with_its_own_voxels(store: DBManager) -> None:
    uploads = [make_upload(store, chunks) for chunks in (2, 3, 4, 5)]
    store.scans.add([new for new, _ in uploads])
    seen: dict[str, bytes] = {}

    class Reader(PlantedAnalyzer):
        def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
            seen[scan.key] = voxels.tobytes(order="F")
            time.sleep(0.2)
            return super().analyse(scan, voxels)

    with processing(store, Reader()):
        until(lambda: store.queries.count_states()[ReportGenerated.DONE] == 4)
    assert seen == {new.scan.key: bytes(voxels) for new, voxels in uploads}


def test_a_scan_that_was_claimed_before_is_not_claimed_beside_another(store: DBManager) -> None:
    first, second = large(store, 2)
    edit(store, second, attempts=1)
    gate = Gate()
    with processing(store, gate) as running:
        assert gate.begun() == first
        wait_for(running.processor._prefetcher)
        assert state_of(store, second) == ReportGenerated.TO_DO
        gate.open()
        until(lambda: store.queries.count_states()[ReportGenerated.DONE] == 2)


def test_nothing_is_claimed_beside_a_scan_that_was_claimed_before(store: DBManager) -> None:
    [first] = large(store, 1)
    edit(store, first, attempts=1)
    gate = Gate()
    with processing(store, gate) as running:
        assert gate.begun() == first
        large(store, 1)
        assert running.processor._prefetcher._running is None


def test_nothing_is_claimed_beside_a_slow_scan(store: DBManager) -> None:
    first, _ = large(store, 2)
    gate = Gate()
    with processing(store, gate, seconds_per_scan=2 * PREFETCH_BELOW_S) as running:
        assert gate.begun() == first
        assert running.processor._prefetcher._running is None


def test_a_stopped_processor_releases_the_scan_that_it_prefetched(store: DBManager) -> None:
    first, second = large(store, 2)
    gate = Gate()
    with processing(store, gate) as running:
        assert gate.begun() == first
        until(lambda: state_of(store, second) == ReportGenerated.IN_PROGRESS)
        running.stop.set()
    assert state_of(store, first) == ReportGenerated.DONE
    assert state_of(store, second) == ReportGenerated.TO_DO
    assert attempts_of(store, second) == 0


def test_a_damaged_scan_that_was_prefetched_ends_in_an_error_of_its_own(
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
