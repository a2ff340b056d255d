"""The audit trail of the three units as processes: no gap, whatever is killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.audit.verification import UNCONFIRMED, AuditVerdict, AuditVerifier
from common.commands.audit import History
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import edit, make_scan, opened, own_mongod
from tests.running import until
from tests.test_end_to_end import UNITS, Pipeline, a_child_of, run


@pytest.fixture
def pipeline(mongodb_uri: str, database: str, tmp_path: Path) -> Iterator[Pipeline]:
    with opened(mongodb_uri, database) as store:
        pipeline = Pipeline(store, tmp_path, KIND="grid")
        try:
            yield pipeline
        finally:
            pipeline.stop_all()


def audited(store: DBManager) -> AuditVerdict:
    """The verdict, which must be good."""
    verdict = AuditVerifier(store).run()
    assert verdict.total == 0, (verdict.problems, verdict.gaps)
    return verdict


def history(store: DBManager, scan_id: str) -> list[tuple[str, str]]:
    """Kind and outcome of each event of a scan."""
    told = History(scan_id, None)
    AuditVerifier(store, on_entry=told.add).run()
    return [(line["kind"], line["outcome"]) for line in told.lines()]


def test_each_scan_has_its_history_and_an_orderly_end_closes_each_chain(pipeline: Pipeline) -> None:
    assert run(pipeline, SCANS="50") == 0
    until(pipeline.drained)
    pipeline.stop_all()
    verdict = audited(pipeline.store)
    assert verdict.open_chains == 0
    # A hub, a supervisor, and the processors that had work: one of two may have claimed all.
    assert verdict.chains in (3, 4)
    for scan_id in pipeline.events("acknowledged")[:3]:
        assert sorted(history(pipeline.store, scan_id)) == [
            ("claim", ""),
            ("receive", "stored"),
            ("report", "written"),
            ("send", "delivered"),
        ]


@pytest.mark.long
def test_a_large_scan_is_recorded_when_it_is_sealed(pipeline: Pipeline) -> None:
    assert run(pipeline, SCANS="2", KIND="phantom", SHAPE="64") == 0, pipeline.log("fr_pacs")
    until(pipeline.drained)
    assert audited(pipeline.store).events["receive"] >= 1
    [first, *_] = pipeline.events("acknowledged")
    assert ("receive", "stored") in history(pipeline.store, first)


@pytest.mark.long
def test_killing_hub_brain_and_processors_under_load_leaves_no_gap(pipeline: Pipeline) -> None:
    pipeline.settings.update(RATE="250", SCANS="1200")
    for unit in UNITS:
        pipeline.start(unit)
    for n, enough in enumerate((100, 300, 500, 700, 900)):
        until(lambda: len(pipeline.events("acknowledged")) > enough, 60)  # noqa: B023
        if n == 2:
            os.kill(a_child_of(pipeline.processes["fr_brain"].pid), signal.SIGKILL)
        else:
            victim = ("fr_hub", "fr_brain")[n % 2]
            pipeline.kill(victim)
            audited(pipeline.store)  # as it stands, and while the others go on
            pipeline.start(victim)
    assert pipeline.processes["fr_pacs"].wait(120) == 0, pipeline.log("fr_pacs")[-2000:]
    until(pipeline.delivered, 60)
    verdict = audited(pipeline.store)
    assert verdict.open_chains >= 4  # those that were killed
    told = verdict.notes[UNCONFIRMED]
    assert not set(told.named) & set(pipeline.events("acknowledged"))


@pytest.mark.long
def test_killing_mongod_under_load_leaves_no_gap(tmp_path: Path) -> None:
    folder = tmp_path / "mongod"
    folder.mkdir()
    with ExitStack() as stack:
        mongod = stack.enter_context(own_mongod(folder))
        store = stack.enter_context(opened(mongod.uri, "fr"))
        pipeline = Pipeline(store, tmp_path, KIND="grid", RATE="250", SCANS="600")
        stack.callback(pipeline.stop_all)
        for unit in UNITS:
            pipeline.start(unit)
        for enough in (100, 300):
            until(lambda: len(pipeline.events("acknowledged")) > enough, 60)  # noqa: B023
            mongod.kill()
            mongod = stack.enter_context(own_mongod(folder))
        assert pipeline.processes["fr_pacs"].wait(120) == 0, pipeline.log("fr_pacs")[-2000:]
        until(pipeline.drained, 60)
        verdict = audited(store)
        assert verdict.notes[UNCONFIRMED].count == 0
        pipeline.stop_all()
        assert "not the one that this process wrote" not in pipeline.log("fr_hub") + pipeline.log(
            "fr_brain"
        )


@pytest.mark.long
def test_a_scan_that_fails_for_good_has_an_event_of_that(pipeline: Pipeline) -> None:
    scan, voxels = make_scan()
    pipeline.store.scans.add([NewScan(scan, voxels=voxels)])
    edit(pipeline.store, scan.key, voxels=bytes(len(voxels)))  # damaged
    pipeline.start("fr_brain")
    until(lambda: pipeline.store.queries.count_states()["Error"] == 1, 60)
    audited(pipeline.store)
    assert history(pipeline.store, scan.key) == [("claim", ""), ("error", "Error")]


@pytest.mark.long
def test_a_stranger_is_refused_and_recorded(pipeline: Pipeline) -> None:
    pipeline.settings.update(SCANS="1", PACS_NAME="stranger")
    pipeline.start("fr_hub")
    pipeline.start("fr_pacs")
    assert pipeline.processes["fr_pacs"].wait(60) == 1
    pipeline.stop_all()
    assert audited(pipeline.store).events["refuse"] >= 1
