"""Analyzers that hang, eat memory or end their process, in real processors: each such scan ends as
'Error' with its cause, and the others have their reports."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.commands.verify import verify
from common.domain.report import AnalyzerId
from common.domain.states import ReportGenerated
from common.errors import StoreUnavailable
from common.store.db_manager import DBManager
from fr_brain import limits
from fr_brain.limits import Hand, Record, is_stopped, memory_limit_mib, resident_mib
from tests.factories import (
    document_of,
    make_claimable,
    opened,
    own_mongod,
    state_of,
    taken_over,
)
from tests.fr_brain.test_supervisor import BEGIN_S, brain, in_state
from tests.processes import stop
from tests.running import until

ANALYZER = """
import mmap, os, re, signal, time
from pathlib import Path
import numpy as np
from fr_brain.analyzers.grid import GridAnalyzer

FOLDER = Path({folder!r})
kept = []

def hang_in_python():
    while True:
        pass

def hang_asleep():
    time.sleep(1000)

def hang_in_numpy():
    rows = np.ones((400, 400))
    while True:
        rows @ rows

def hang_holding_the_interpreter():
    re.match("(a+)+$", "a" * 60 + "b")

def eat():
    eaten = []
    while True:
        eaten.append(np.ones(2**22))

def eat_and_keep():
    while True:
        kept.append(np.ones(2**22))

def eat_shared():
    while True:
        piece = mmap.mmap(-1, 2**25)
        piece.write(bytes(2**25))
        kept.append(piece)
        time.sleep(0.02)

def fail():
    raise ValueError("JANE-DOE-1970")

def leave():
    os._exit(7)

def leave_politely():
    raise SystemExit(2)

def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)

def crash():
    os.abort()

class Planted(GridAnalyzer):
    name = "planted"
    version = "7"
    priority = 1

    def analyse(self, scan, voxels):
        (FOLDER / "begun").touch()
        if scan.subject in globals():
            globals()[scan.subject]()
        return super().analyse(scan, voxels)
"""

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
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store


@pytest.mark.parametrize("deed", CAUSES)
def test_a_scan_that_ends_its_processor_is_set_aside_with_the_cause_and_the_others_are_done(
    store: DBManager, tmp_path: Path, deed: str
) -> None:
    make_claimable(store, 5)
    [bad] = make_claimable(store, 1, subject=deed)
    make_claimable(store, 5)
    with brain(
        store,
        tmp_path,
        ANALYZER,
        BRAIN_ATTEMPTS="2",
        BRAIN_TIME_LIMIT_S="1" if CAUSES[deed] == TIME else "100",
        BRAIN_MEMORY_MIB=str(LIMIT_MIB),
    ) as running:
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1, 90)
        until(lambda: in_state(store, ReportGenerated.DONE) == 10, 90)
        assert stop(running.process) == 0
        assert "JANE" not in running.log()
    [found] = store.failed_scans.all()
    assert (found.scan_id, found.cause, found.attempts) == (bad.scan_id, CAUSES[deed], 2)
    assert found.worker
    assert verify(store).gaps == 0


def test_a_long_analysis_that_lets_no_thread_run_keeps_its_claim_until_its_time_is_up(
    store: DBManager, tmp_path: Path
) -> None:
    [bad] = make_claimable(store, 1, subject="hang_holding_the_interpreter")
    with brain(
        store,
        tmp_path,
        ANALYZER,
        BRAIN_ATTEMPTS="1",
        BRAIN_LEASE_S="3",
        BRAIN_TIME_LIMIT_S="8",
        BRAIN_PROCESSES="2",
    ) as running:
        until(lambda: state_of(store, bad.scan_id) == ReportGenerated.ERROR, 60)
        assert stop(running.process) == 0
    [found] = store.failed_scans.all()
    assert "time limit of 8 s" in found.cause
    assert document_of(store, bad.scan_id)["fence"] == 1  # nobody else had it meanwhile


def test_a_stopped_processor_loses_its_claim_to_another_one(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="hang_asleep")
    with brain(store, tmp_path, ANALYZER, BRAIN_LEASE_S="1") as running:
        [victim] = running.processors()
        running.wait_for_a_scan_in_hand()
        os.kill(victim, signal.SIGSTOP)
        until(lambda: is_stopped(victim))
        until(lambda: store.claims.claim_expired("another", 60), BEGIN_S)
        os.kill(victim, signal.SIGKILL)
    document = document_of(store, scan.scan_id)
    assert (document["owner"], document["report_generated"]) == ("another", "In Progress")


def test_a_cause_that_cannot_be_told_while_mongodb_is_away_is_told_when_it_is_back(
    tmp_path: Path,
) -> None:
    with tempfile.TemporaryDirectory(prefix="fr-") as name:
        folder = Path(name)
        with own_mongod(folder) as mongod, opened(mongod.uri, "fr", timeout_s=1) as store:
            [scan] = make_claimable(store, 1, subject="hang_asleep")
            with brain(
                store,
                tmp_path,
                ANALYZER,
                BRAIN_TIME_LIMIT_S="2",
                BRAIN_ATTEMPTS="1",
                BRAIN_LEASE_S="300",
            ) as running:
                running.wait_for_a_scan_in_hand()
                mongod.kill()
                until(lambda: "time limit of 2 s" in running.log(), BEGIN_S)
                with own_mongod(folder):
                    until(lambda: cause_of(store, scan.scan_id), 60)
                    assert "time limit of 2 s" in cause_of(store, scan.scan_id)
                    assert stop(running.process) == 0


def cause_of(store: DBManager, scan_id: str) -> str:
    """Why it was set aside; empty if it was not, or MongoDB does not answer yet."""
    try:
        causes = {found.scan_id: found.cause for found in store.failed_scans.all()}
    except StoreUnavailable:
        return ""
    return causes.get(scan_id, "")


# --- blame ---------------------------------------------------------------------------------------


def test_who_is_blamed_is_to_do_again_until_its_attempts_are_used_up(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    for attempt, state in enumerate((ReportGenerated.TO_DO, ReportGenerated.ERROR), 1):
        [claim] = store.claims.claim("a", 1, 60)
        told = store.supervision.fail(scan.scan_id, "a", claim.fence, f"cause {attempt}", 2)
        assert told == state == state_of(store, scan.scan_id)
        assert store.supervision.fail(scan.scan_id, "a", claim.fence, "again", 2) is None
    [found] = store.failed_scans.all()
    assert (found.cause, found.worker, found.attempts) == ("cause 2", "a", 2)


def test_a_claim_that_was_lost_is_not_blamed_and_not_prolonged(store: DBManager) -> None:
    old, new = taken_over(store)
    before = document_of(store, old.scan.scan_id)
    assert store.supervision.fail(old.scan.scan_id, "old", old.fence, "too late", 1) is None
    assert not store.supervision.renew(old.scan.scan_id, "old", old.fence, 3600)
    assert document_of(store, old.scan.scan_id) == before
    assert store.supervision.renew(new.scan.scan_id, "new", new.fence, 3600)
    assert document_of(store, new.scan.scan_id)["lease_until"] > before["lease_until"]


# --- what is in hand -----------------------------------------------------------------------------


def test_the_hand_says_what_is_in_it_and_since_when() -> None:
    hand = Hand.shared(multiprocessing.get_context("spawn"))
    assert hand.read() is None
    with hand.holding("s" * 64, 3):
        found = hand.read()
        assert found is not None
        assert (found.scan_id, found.fence, found.analyzer, found.began) == ("s" * 64, 3, "", 0.0)
        before = time.monotonic()
        with hand.analysing(AnalyzerId(name="ä" * 64, version="9" * 32)):
            found = hand.read()
            assert found is not None
            assert found.analyzer == "ä" * 64 + " " + "9" * 32
            assert before <= found.began <= time.monotonic()
        found = hand.read()
        assert found is not None
        assert found.began == 0.0
    assert hand.read() is None


def test_a_hand_that_is_being_written_is_not_believed() -> None:
    record = Record()
    hand = Hand(record)
    with hand.holding("a", 1):
        record.turn += 1
        assert hand.read() is None


# --- memory --------------------------------------------------------------------------------------


def test_the_wanted_limit_is_taken_and_else_a_share_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory_limit_mib(300, 4) == 300
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    monkeypatch.setattr(limits, "_CGROUPS", (tmp_path / "none",))
    assert memory_limit_mib(None, 1) == int(machine * 0.75)
    assert memory_limit_mib(None, 10_000) == 512  # less is no use to anybody
    container = tmp_path / "memory.max"
    monkeypatch.setattr(limits, "_CGROUPS", (container,))
    container.write_text("max\n")
    assert memory_limit_mib(None, 1) == int(machine * 0.75)
    container.write_text(f"{2**30}\n")
    assert memory_limit_mib(None, 1) == 768


def test_what_a_process_holds_is_seen_and_one_that_is_gone_holds_nothing() -> None:
    code = "x = bytearray(200 * 2**20); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 200 < resident_mib(process.pid) < 260
        process.kill()
    assert resident_mib(process.pid) == 0
    assert not is_stopped(process.pid)
