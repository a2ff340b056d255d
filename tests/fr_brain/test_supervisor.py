"""Fr-BRAIN as real processes: what it makes of processors that end, and how it ends itself.

Its processors get an analyzer from a package that is installed for the test alone.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from tests.factories import document_of, make_claimable, opened, state_of
from tests.processes import start, stop
from tests.running import until

ANALYZER = """
import os, signal, time
from pathlib import Path
from fr_brain.analyzers.grid import GridAnalyzer

FOLDER = Path({folder!r})

class Planted(GridAnalyzer):
    name = "planted"
    priority = 1

    def analyse(self, scan, voxels):
        (FOLDER / "begun").touch()
        if scan.subject == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        while scan.subject == "slow" and not (FOLDER / "go on").exists():
            time.sleep(0.01)
        return super().analyse(scan, voxels)
"""

BEGIN_S = 30.0
"""A processor is an interpreter of its own, which imports for a while on a busy machine."""


class Brain:
    """Fr-BRAIN on the store of a test."""

    def __init__(self, store: DBManager, folder: Path, code: str, **given: str) -> None:
        self._folder = folder
        self._log = folder / "log"
        self.process = start(
            "fr_brain",
            self._log,
            MONGODB_URI=store.connection.uri,
            MONGODB_DATABASE=store.connection.name,
            PYTHONPATH=str(_package(folder, code)),
            **{"BRAIN_PROCESSES": "1", "BRAIN_LEASE_S": "300", **given},
        )
        self.seen: set[int] = set()
        """Every processor that there was."""

    def log(self) -> str:
        """What it said."""
        return self._log.read_text()

    def processors(self, count: int = 1) -> list[int]:
        """The process ids of its processors, once there are so many."""

        def found() -> list[int]:
            now = [pid for pid in _children(self.process.pid) if _spawned(pid)]
            return now if len(now) == count else []

        pids: list[int] = until(found, BEGIN_S)
        self.seen.update(pids)
        return pids

    def wait_for_a_scan_in_hand(self) -> None:
        """Until an analyzer has begun."""
        until((self._folder / "begun").exists, BEGIN_S)

    def go_on(self) -> None:
        """Let slow scans be finished."""
        (self._folder / "go on").touch()


def _package(folder: Path, code: str) -> Path:
    site = folder / "site"
    about = site / "planted-1.dist-info"
    about.mkdir(parents=True)
    (site / "planted.py").write_text(code.format(folder=str(folder)))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[fr_brain.analyzers]\nplanted = planted:Planted\n")
    return site


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _spawned(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def gone(pid: int) -> bool:
    """Whether a process has ended, if nobody has asked for its status yet."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store


@contextlib.contextmanager
def brain(store: DBManager, folder: Path, code: str = ANALYZER, **given: str) -> Iterator[Brain]:
    """Fr-BRAIN; whatever is left of it at the end is killed."""
    running = Brain(store, folder, code, **given)
    try:
        yield running
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.go_on()
            stop(running.process)
        running.process.kill()
        running.process.wait(10)
        for pid in running.seen:
            with contextlib.suppress(ProcessLookupError):
                if _spawned(pid):
                    os.kill(pid, signal.SIGKILL)


def in_state(store: DBManager, state: ReportGenerated) -> int:
    """How many scans are there."""
    return store.queries.count_states()[state]


def test_a_killed_processor_is_replaced_and_its_scans_are_to_do_at_once(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path) as running:
        [victim] = running.processors()
        running.wait_for_a_scan_in_hand()
        owner = document_of(store, scan.scan_id)["owner"]
        os.kill(victim, signal.SIGKILL)
        until(lambda: state_of(store, scan.scan_id) == ReportGenerated.TO_DO)  # lease: 300 s
        [successor] = running.processors()
        assert successor != victim
        running.go_on()
        until(lambda: state_of(store, scan.scan_id) == ReportGenerated.DONE, BEGIN_S)
        assert "killed by SIGKILL" in running.log()
        assert "no report" in running.log()
        assert stop(running.process) == 0
    document = document_of(store, scan.scan_id)
    assert document["owner"] != owner
    assert document["attempts"] == 2
    assert sum(store.queries.count_reports().values()) == 1


def test_a_scan_that_kills_each_processor_is_set_aside_and_the_others_have_their_reports(
    store: DBManager, tmp_path: Path
) -> None:
    make_claimable(store, 1)
    [deadly] = make_claimable(store, 1, subject="deadly")
    make_claimable(store, 20)
    with brain(store, tmp_path, BRAIN_ATTEMPTS="2", BRAIN_LEASE_S="5") as running:
        until(lambda: in_state(store, ReportGenerated.DONE) == 21, 60)
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1, 60)
        assert stop(running.process) == 0
    [(scan_id, cause, _)] = store.queries.errors()
    assert scan_id == deadly.scan_id
    assert cause == "analyzer planted 1: its processor ended: killed by SIGKILL"


def test_sigterm_lets_the_scan_in_hand_be_finished_and_leaves_no_process(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path, BRAIN_PROCESSES="2") as running:
        running.processors(2)
        children = _children(running.process.pid)
        running.wait_for_a_scan_in_hand()
        running.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in running.log())
        running.go_on()
        assert running.process.wait(30) == 0
        until(lambda: all(map(gone, children)))
    assert state_of(store, scan.scan_id) == ReportGenerated.DONE
    assert in_state(store, ReportGenerated.IN_PROGRESS) == 0


def test_a_processor_that_does_not_stop_in_time_is_killed_and_its_scan_given_back(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path, BRAIN_DRAIN_S="0.3") as running:
        running.wait_for_a_scan_in_hand()
        children = _children(running.process.pid)
        assert stop(running.process) == 0
        until(lambda: all(map(gone, children)))
        assert "processor stopped in its scan" in running.log()
    assert state_of(store, scan.scan_id) == ReportGenerated.TO_DO


def test_processors_whose_supervisor_is_killed_stop_by_themselves(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path, BRAIN_PROCESSES="2") as running:
        processors = running.processors(2)
        running.wait_for_a_scan_in_hand()
        running.process.kill()
        running.go_on()
        until(lambda: all(map(gone, processors)), BEGIN_S)
    assert state_of(store, scan.scan_id) == ReportGenerated.DONE  # it was finished before


def test_a_processor_that_cannot_begin_is_tried_again_with_growing_pauses(
    store: DBManager, tmp_path: Path
) -> None:
    with brain(store, tmp_path, "raise ImportError('it is broken')", LOG_FORMAT="json") as running:
        until(lambda: running.log().count("processor ended, replacing it") >= 2, BEGIN_S)
        assert stop(running.process) == 0
        assert "'planted' of planted (planted:Planted) cannot be loaded" in running.log()
        assert '"pause_s": 1.0' in running.log()
        assert '"pause_s": 2.0' in running.log()
