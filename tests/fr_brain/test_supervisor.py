"""Fr-BRAIN as real processes: what its supervisor does when processors exit, and how it stops."""

import os
import signal
from pathlib import Path

import pytest

from common.domain.states import ReportGenerated
from common.runtime.lifecycle import Exit
from common.store.db_manager import DBManager
from tests.factories import document_of, make_claimable, state_of
from tests.fr_brain.brain import ANALYZER, BEGIN_S, brain, children_of, gone
from tests.fr_brain.processors import in_state
from tests.processes import stop
from tests.running import until

KILL = "os.kill(os.getpid(), signal.SIGKILL)"
"""What the planted analyzer does to a deadly scan."""


def test_a_killed_processor_is_replaced_and_its_scans_are_to_do_at_once(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path) as running:
        [victim] = running.processors()
        running.wait_for_an_analysis()
        owner = document_of(store, scan.key)["owner"]
        os.kill(victim, signal.SIGKILL)
        until(lambda: state_of(store, scan.key) == ReportGenerated.TO_DO)  # lease: 300 s
        [successor] = running.processors()
        assert successor != victim
        running.go_on()
        until(lambda: state_of(store, scan.key) == ReportGenerated.DONE, BEGIN_S)
        assert "killed by SIGKILL" in running.log()
        assert "no report" in running.log()
        assert stop(running.process) == 0
    document = document_of(store, scan.key)
    assert document["owner"] != owner
    assert document["attempts"] == 2
    assert sum(store.queries.count_reports().values()) == 1


@pytest.mark.parametrize(("given", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")])
def test_the_libraries_of_a_processor_start_one_thread_unless_told_otherwise(
    store: DBManager, tmp_path: Path, given: dict[str, str], threads: str
) -> None:
    with brain(store, tmp_path, **given) as running:
        [processor] = running.processors()
        environment = Path(f"/proc/{processor}/environ").read_bytes().decode().split("\0")
        assert f"OPENBLAS_NUM_THREADS={threads}" in environment
        assert "OMP_NUM_THREADS=1" in environment
        assert stop(running.process) == 0


@pytest.mark.long
def test_a_scan_that_kills_each_processor_moves_to_error_and_the_others_get_their_reports(
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
    assert scan_id == deadly.key
    assert cause == "analyzer planted 1: its processor ended: killed by SIGKILL"


@pytest.mark.long
def test_no_exit_code_of_an_analyzer_ends_fr_brain(store: DBManager, tmp_path: Path) -> None:
    # Chosen by a processor, this code says that a new one could not run either.
    code = ANALYZER.replace(KILL, f"os._exit({Exit.UNUSABLE:d})")
    [deadly] = make_claimable(store, 1, subject="deadly")
    [scan] = make_claimable(store, 1)
    with brain(store, tmp_path, code, BRAIN_ATTEMPTS="2") as running:
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1, BEGIN_S)
        until(lambda: state_of(store, scan.key) == ReportGenerated.DONE, BEGIN_S)
        assert stop(running.process) == 0
    [(key, cause, _)] = store.queries.errors()
    assert key == deadly.key
    assert cause == f"analyzer planted 1: its processor ended: exit {Exit.UNUSABLE:d}"


@pytest.mark.long
def test_the_copy_that_a_forking_analyzer_makes_of_its_processor_ends(
    store: DBManager, tmp_path: Path
) -> None:
    code = ANALYZER.replace(KILL, "(FOLDER / str(os.fork())).touch()")
    [scan] = make_claimable(store, 1, subject="deadly")
    with brain(store, tmp_path, code) as running:
        until(lambda: state_of(store, scan.key) == ReportGenerated.DONE, BEGIN_S)
        until((tmp_path / "0").exists)
        [copy] = [int(one.name) for one in tmp_path.iterdir() if one.name.strip("0").isdigit()]
        until(lambda: gone(copy))
        make_claimable(store, 5)
        until(lambda: in_state(store, ReportGenerated.DONE) == 6)
        assert stop(running.process) == 0
    assert sum(store.queries.count_reports().values()) == 6


def test_sigterm_lets_the_current_scan_finish_and_leaves_no_process(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path, BRAIN_PROCESSES="2") as running:
        running.processors(2)
        children = children_of(running.process.pid)
        running.wait_for_an_analysis()
        running.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in running.log())
        running.go_on()
        assert running.process.wait(30) == 0
        until(lambda: all(map(gone, children)))
    assert state_of(store, scan.key) == ReportGenerated.DONE
    assert in_state(store, ReportGenerated.IN_PROGRESS) == 0


@pytest.mark.long
def test_a_processor_that_does_not_stop_in_time_is_killed_and_its_scan_released(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path, BRAIN_DRAIN_S="0.3") as running:
        running.wait_for_an_analysis()
        children = children_of(running.process.pid)
        assert stop(running.process) == 0
        until(lambda: all(map(gone, children)))
        assert "processor did not stop in time" in running.log()
    assert state_of(store, scan.key) == ReportGenerated.TO_DO


@pytest.mark.long
def test_a_processor_that_cannot_start_is_restarted_with_growing_pauses(
    store: DBManager, tmp_path: Path
) -> None:
    with brain(store, tmp_path, "raise ImportError('it is broken')", LOG_FORMAT="json") as running:
        until(lambda: running.log().count("processor exited, replacing it") >= 2, BEGIN_S)
        assert stop(running.process) == 0
        assert "'planted' of planted (planted:Planted) cannot be loaded" in running.log()
        assert '"pause_s": 1.0' in running.log()
        assert '"pause_s": 2.0' in running.log()


@pytest.mark.long
def test_stops_that_cut_off_an_analysis_use_no_attempt(store: DBManager, tmp_path: Path) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    for turn in range(2):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with brain(store, folder, BRAIN_DRAIN_S="0.1", BRAIN_ATTEMPTS="1") as running:
            running.wait_for_an_analysis()
            assert stop(running.process) == 0
        document = document_of(store, scan.key)
        assert (document["report_generated"], document["attempts"]) == ("To Do", 0)
        assert document["fence"] == turn + 1
