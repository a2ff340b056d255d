"""The limits of an analysis: what the watchdog kills, and whose claims it renews.

Analyzers that hang, exhaust memory or end their process do so in real processes: each such scan
moves to 'Error' with its cause, and the others get their reports.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from common.commands.verify import verify
from common.domain.report import AnalyzerId
from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from common.store.documents import Claim
from common.store.unit_parts import brain_parts
from fr_brain.limits import is_stopped, resident_mib
from fr_brain.process_slot import ProcessSlot
from fr_brain.watchdog import Watchdog
from fr_brain.work_signal import WorkSignal
from tests.factories import document_of, make_claimable, state_of
from tests.fr_brain.brain import BEGIN_S, HARMFUL_ANALYZER, brain
from tests.fr_brain.processors import brain_settings, in_state
from tests.processes import stop
from tests.running import until

LIMIT_MIB = 512
TIME = "analyzer planted 7: stopped at its time limit of 1 s (BRAIN_TIME_LIMIT_S)"
MEMORY = f"analyzer planted 7: stopped at its memory limit of {LIMIT_MIB} MiB (BRAIN_MEMORY_MIB)"
CAUSES = {
    "hang_in_python": TIME,
    "hang_asleep": TIME,
    "hang_in_numpy": TIME,
    "hang_holding_the_interpreter": TIME,
    "eat": MEMORY,
    "eat_and_keep": MEMORY,
    "eat_shared": MEMORY,
    "fail": "the analyzer failed: ValueError",
    "leave": "analyzer planted 7: its processor ended: exit 7",
    "leave_politely": "the analyzer failed: SystemExit",
    "kill_itself": "analyzer planted 7: its processor ended: killed by SIGKILL",
    "crash": "analyzer planted 7: its processor ended: killed by SIGABRT",
}


@pytest.fixture
def claim(store: DBManager) -> Claim:
    """A claim of the slot's processor."""
    make_claimable(store, 1)
    return store.claims.claim("the processor", 1, 1)[0]


@pytest.fixture
def slot(store: DBManager, claim: Claim) -> Iterator[ProcessSlot]:
    """A slot whose process sleeps, and has analysed the claimed scan since the test began."""
    context = multiprocessing.get_context("spawn")
    slot = ProcessSlot(1, brain_settings(), store.connection.uri, context, WorkSignal(context))
    slot.owner = claim.owner
    slot.process = context.Process(target=time.sleep, args=(600,))
    slot.process.start()
    analyzer = AnalyzerId(name="planted", version="7")
    working = slot.current_scan.working_on(claim.scan.key, claim.fence)
    with working, slot.current_scan.analysing(analyzer):
        yield slot
    slot.process.kill()
    slot.process.join()


def lease_of(store: DBManager, claim: Claim) -> datetime:
    found: datetime = document_of(store, claim.scan.key)["lease_until"]
    return found


def test_the_claim_of_an_analysis_within_its_limits_is_renewed_when_due(
    store: DBManager, slot: ProcessSlot, claim: Claim
) -> None:
    before = lease_of(store, claim)
    Watchdog(brain_settings(brain_lease_s=600), brain_parts(store)).check(slot)
    assert lease_of(store, claim) == before  # due after a third of the lease
    watchdog = Watchdog(brain_settings(brain_lease_s=3), brain_parts(store))

    def renewed() -> bool:
        watchdog.check(slot)
        return lease_of(store, claim) > before

    until(renewed)
    assert not slot.has_exited()


def test_the_claim_of_a_suspended_processor_is_not_renewed(
    store: DBManager, slot: ProcessSlot, claim: Claim
) -> None:
    before = lease_of(store, claim)
    os.kill(slot.pid, signal.SIGSTOP)
    until(lambda: is_stopped(slot.pid))
    watchdog = Watchdog(brain_settings(), brain_parts(store))
    watchdog._lease_s = 0.0
    watchdog.check(slot)
    assert lease_of(store, claim) == before


def test_an_analysis_past_its_time_limit_is_killed(store: DBManager, slot: ProcessSlot) -> None:
    Watchdog(brain_settings(brain_time_limit_s=1e-6), brain_parts(store)).check(slot)
    until(slot.has_exited)
    assert slot.killed_for == "stopped at its time limit of 1e-06 s (BRAIN_TIME_LIMIT_S)"


def test_a_processor_past_its_memory_limit_is_killed(store: DBManager, slot: ProcessSlot) -> None:
    watchdog = Watchdog(brain_settings(), brain_parts(store))
    watchdog._memory_mib = 0
    until(lambda: resident_mib(slot.pid) > 0)
    watchdog.check(slot)
    until(slot.has_exited)
    assert slot.killed_for == "stopped at its memory limit of 0 MiB (BRAIN_MEMORY_MIB)"


# --- in Fr-BRAIN ---------------------------------------------------------------------------------


@pytest.mark.sample(1)
@pytest.mark.parametrize("deed", CAUSES)
def test_a_harmful_scan_moves_to_error_with_its_cause_and_the_others_get_their_reports(
    store: DBManager, tmp_path: Path, deed: str
) -> None:
    make_claimable(store, 5)
    [bad] = make_claimable(store, 1, subject=deed)
    make_claimable(store, 5)
    with brain(
        store,
        tmp_path,
        HARMFUL_ANALYZER,
        BRAIN_ATTEMPTS="2",
        BRAIN_TIME_LIMIT_S="1" if CAUSES[deed] == TIME else "100",
        BRAIN_MEMORY_MIB=str(LIMIT_MIB),
    ) as running:
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1, 90)
        until(lambda: in_state(store, ReportGenerated.DONE) == 10, 90)
        assert stop(running.process) == 0
        assert "JANE" not in running.log()
    [found] = store.failed_scans.all()
    assert (found.key, found.cause, found.attempts) == (bad.key, CAUSES[deed], 2)
    assert found.worker
    assert verify(store).gaps == 0


@pytest.mark.long
def test_an_analysis_that_holds_the_interpreter_keeps_its_claim_until_its_time_limit(
    store: DBManager, tmp_path: Path
) -> None:
    [bad] = make_claimable(store, 1, subject="hang_holding_the_interpreter")
    with brain(
        store,
        tmp_path,
        HARMFUL_ANALYZER,
        BRAIN_ATTEMPTS="1",
        BRAIN_LEASE_S="3",
        BRAIN_TIME_LIMIT_S="8",
        BRAIN_PROCESSES="2",
    ) as running:
        until(lambda: state_of(store, bad.key) == ReportGenerated.ERROR, 60)
        assert stop(running.process) == 0
    [found] = store.failed_scans.all()
    assert "time limit of 8 s" in found.cause
    assert document_of(store, bad.key)["fence"] == 1  # nobody else had it meanwhile


def test_a_suspended_processor_loses_its_claim_to_another(store: DBManager, tmp_path: Path) -> None:
    [scan] = make_claimable(store, 1, subject="hang_asleep")
    with brain(store, tmp_path, HARMFUL_ANALYZER, BRAIN_LEASE_S="1") as running:
        [victim] = running.processors()
        running.wait_for_an_analysis()
        os.kill(victim, signal.SIGSTOP)
        until(lambda: is_stopped(victim))
        until(lambda: store.claims.claim_expired("another", 60), BEGIN_S)
        os.kill(victim, signal.SIGKILL)
    document = document_of(store, scan.key)
    assert (document["owner"], document["report_generated"]) == ("another", "In Progress")
