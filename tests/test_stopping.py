"""SIGTERM under load: one stops a unit in order and in time, a second one at once; either way
nothing is lost."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.commands.verify import verify
from common.mongod.embedded import RunningMongod
from common.runtime.lifecycle import Exit
from common.store.db_manager import DBManager
from tests.factories import migrate, own_mongod
from tests.fr_brain.brain import BEGIN_S, HARMFUL_ANALYZER, children_of, gone, is_processor, package
from tests.running import until
from tests.test_end_to_end import Pipeline

DRAIN_S = "3600"
"""Nobody waits so long: a unit that is held up by the stream itself would not end in a test."""


@pytest.fixture
def mongod() -> Iterator[RunningMongod]:
    with tempfile.TemporaryDirectory(prefix="fr-") as folder, own_mongod(Path(folder)) as mongod:
        yield mongod


@pytest.fixture
def pipeline(mongod: RunningMongod, tmp_path: Path) -> Iterator[Pipeline]:
    """Units under a stream that does not end, on a MongoDB of their own."""
    migrate(mongod.uri, "fr")
    store = DBManager(mongod.uri, "fr")
    pipeline = Pipeline(
        store,
        tmp_path,
        KIND="grid",
        RATE="300",
        HUB_DRAIN_S=DRAIN_S,
        PACS_DRAIN_S=DRAIN_S,
        BRAIN_DRAIN_S=DRAIN_S,
        PYTHONPATH=str(package(tmp_path, HARMFUL_ANALYZER)),
    )
    try:
        yield pipeline
    finally:
        for pid in [mongod.pid, *(process.pid for process in pipeline.processes.values())]:
            if not gone(pid):
                os.kill(pid, signal.SIGCONT)
        pipeline.stop_all()
        store.close()


def under_load(pipeline: Pipeline) -> None:
    """All units at work."""
    for unit in ("fr_hub", "fr_brain", "fr_pacs"):
        pipeline.start(unit)
    until(lambda: len(pipeline.events("reported")) > 100, 60)


def ends_whole(pipeline: Pipeline) -> None:
    """What was stopped goes on where it was; in the end nothing is missing."""
    pacs = pipeline.processes["fr_pacs"]
    if pacs.poll() is None:
        pacs.send_signal(signal.SIGTERM)
        pacs.wait(30)
    pipeline.settings["RATE"] = "1"
    for unit in ("fr_hub", "fr_brain", "fr_pacs"):
        if pipeline.processes[unit].poll() is not None:
            pipeline.start(unit)
    until(pipeline.drained, 90)
    verdict = verify(pipeline.store, pipeline.ledger)
    assert verdict.gaps == 0
    assert verdict.acknowledged
    assert verdict.scans["Error"] == 0


@pytest.mark.long
@pytest.mark.parametrize("unit", ["fr_hub", "fr_brain", "fr_pacs"])
def test_one_sigterm_under_load_stops_a_unit_in_order_however_the_stream_goes_on(
    pipeline: Pipeline, unit: str
) -> None:
    under_load(pipeline)
    process = pipeline.processes[unit]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == Exit.OK, pipeline.log(unit)
    ends_whole(pipeline)


def forced(process: "subprocess.Popen[str]") -> None:
    """It is held up in stopping: a second signal one second later ends it."""
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == Exit.FORCED


@pytest.mark.long
def test_a_second_sigterm_ends_a_hub_that_waits_for_mongodb(
    pipeline: Pipeline, mongod: RunningMongod
) -> None:
    under_load(pipeline)
    os.kill(mongod.pid, signal.SIGSTOP)
    time.sleep(0.5)  # what comes now is received and cannot become durable
    forced(pipeline.processes["fr_hub"])
    os.kill(mongod.pid, signal.SIGCONT)
    ends_whole(pipeline)


@pytest.mark.long
def test_a_second_sigterm_ends_a_brain_and_its_processors_in_the_middle_of_a_scan(
    pipeline: Pipeline,
) -> None:
    under_load(pipeline)
    process = pipeline.processes["fr_brain"]
    children = [pid for pid in children_of(process.pid) if is_processor(pid)]
    assert children
    for pid in children:
        os.kill(pid, signal.SIGSTOP)  # as one that hangs in its scan
    forced(process)
    until(lambda: all(map(gone, children)), BEGIN_S)
    ends_whole(pipeline)


@pytest.mark.long
def test_a_second_sigterm_ends_a_pacs_that_waits_for_acknowledgements(pipeline: Pipeline) -> None:
    under_load(pipeline)
    hub = pipeline.processes["fr_hub"]
    hub.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    forced(pipeline.processes["fr_pacs"])
    hub.send_signal(signal.SIGCONT)
    ends_whole(pipeline)
