"""A processor's process ends with its supervisor."""

from pathlib import Path

from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from tests.factories import make_claimable, state_of
from tests.fr_brain.brain import BEGIN_S, brain, gone
from tests.running import until


def test_processors_finish_their_scan_and_exit_when_their_supervisor_is_killed(
    store: DBManager, tmp_path: Path
) -> None:
    [scan] = make_claimable(store, 1, subject="slow")
    with brain(store, tmp_path, BRAIN_PROCESSES="2") as running:
        processors = running.processors(2)
        running.wait_for_an_analysis()
        running.process.kill()
        running.go_on()
        until(lambda: all(map(gone, processors)), BEGIN_S)
    assert state_of(store, scan.key) == ReportGenerated.DONE  # finished before the exit
