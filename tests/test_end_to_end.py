"""The three units as processes on a real MongoDB: each scan gets one report, whatever is killed."""

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.commands.verify import verify
from common.store.db_manager import DBManager
from tests.factories import migrate
from tests.processes import ports, start, stop
from tests.running import until

UNITS = ("fr_hub", "fr_brain", "fr_pacs")


class Pipeline:
    """Three units on one database, each of which can be killed and started again."""

    def __init__(self, store: DBManager, folder: Path, **given: str) -> None:
        self.store = store
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self.summary = folder / "summary.json"
        self.settings = {
            "MONGODB_URI": store.connection.uri,
            "MONGODB_DATABASE": store.connection.name,
            "LEDGER": str(self.ledger),
            "SUMMARY": str(self.summary),
            "BRAIN_LEASE_S": "2",
            "BRAIN_PROCESSES": "2",
            "REPORT_PATIENCE_S": "40",
            "PSEUDONYM_KEY_FILE": str(folder / "keys" / "pseudonym.key"),
            **ports(),
            **given,
        }
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, unit: str) -> None:
        self.processes[unit] = start(unit, self.folder / f"{unit}.log", **self.settings)

    def kill(self, unit: str) -> None:
        self.processes[unit].kill()
        self.processes[unit].wait(10)

    def log(self, unit: str) -> str:
        return (self.folder / f"{unit}.log").read_text()

    def stop_all(self) -> None:
        for process in reversed(self.processes.values()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                stop(process)
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def events(self, event: str) -> list[str]:
        if not self.ledger.exists():
            return []
        lines = [line for line in self.ledger.read_text().splitlines() if line.endswith("}")]
        return [entry["scan_id"] for entry in map(json.loads, lines) if entry["event"] == event]

    def totals(self) -> dict[str, Any]:
        totals: dict[str, Any] = json.loads(self.summary.read_text())
        return totals

    def drained(self) -> bool:
        states = self.store.queries.count_states()
        reports = self.store.queries.count_reports()
        return not (states["To Do"] or states["In Progress"] or reports[False])

    def delivered(self) -> bool:
        """All is analysed, and Fr-PACS has all reports. What a killed Fr-HUB had not marked as sent
        is sent and marked when a Fr-PACS is there again: its run may have ended before."""
        states, there = self.store.queries.count_states(), set(self.events("reported"))
        unsent = {scan_id for scan_id, sent in self.store.queries.report_states() if not sent}
        return not (states["To Do"] or states["In Progress"] or unsent - there)


@pytest.fixture
def pipeline(mongodb_uri: str, database: str, tmp_path: Path) -> Iterator[Pipeline]:
    migrate(mongodb_uri, database)
    store = DBManager(mongodb_uri, database)
    pipeline = Pipeline(store, tmp_path)
    try:
        yield pipeline
    finally:
        pipeline.stop_all()
        store.close()


def run(pipeline: Pipeline, **given: str) -> int:
    """All units until Fr-PACS has ended; its exit code."""
    pipeline.settings.update(given)
    for unit in UNITS:
        pipeline.start(unit)
    return pipeline.processes["fr_pacs"].wait(120)


def test_each_scan_is_acknowledged_analysed_and_its_report_delivered_once(
    pipeline: Pipeline,
) -> None:
    assert run(pipeline, SCANS="200", KIND="grid") == 0, pipeline.log("fr_pacs")
    totals = pipeline.totals()
    assert (totals["acknowledged"], totals["delivered"], totals["failed"]) == (200, 200, 0)
    assert sorted(pipeline.events("reported")) == sorted(set(pipeline.events("acknowledged")))
    until(pipeline.drained)
    verdict = verify(pipeline.store, pipeline.ledger)
    assert (verdict.gaps, verdict.scans["Done"], verdict.sent) == (0, 200, 200)


@pytest.mark.long
def test_phantoms_go_all_the_way_and_their_reports_are_kept(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    assert run(pipeline, SCANS="4", SHAPE="64", REPORTS=str(reports)) == 0, pipeline.log("fr_pacs")
    kept = [json.loads(path.read_text()) for path in reports.glob("*.json")]
    assert sorted(report["scan_id"] for report in kept) == sorted(pipeline.events("reported"))
    assert {report["shape"][0] for report in kept} == {64}
    texts = {path.stem: path.read_text() for path in reports.glob("*.txt")}
    assert texts.keys() == {path.stem for path in reports.glob("*.json")}
    assert all(report["analyzer"]["name"] == "volume" for report in kept)


def test_real_images_go_all_the_way_and_an_unreadable_one_is_named(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    data = Path(nib.__file__).parent / "tests" / "data"
    for name in ("anatomical.nii", "example4d.nii.gz"):
        (source / name).symlink_to(data / name)
    cut = (data / "example4d.nii.gz").read_bytes()
    (source / "cut.nii.gz").write_bytes(cut[: len(cut) // 2])
    assert run(pipeline, SOURCE=str(source), FOLLOW_LINKS="1") == 1
    totals = pipeline.totals()
    assert (totals["acknowledged"], totals["delivered"]) == (3, 3)
    assert {failure["what"].split()[0] for failure in totals["failures"]} == {"cut.nii.gz"}


@pytest.mark.long
def test_a_second_run_analyses_nothing_anew_and_has_every_report(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for n in range(3):
        image = nib.Nifti1Image(np.full((4, 4, 4), n, np.int16), np.eye(4))  # type: ignore[no-untyped-call]
        nib.save(image, source / f"image-{n}.nii")
    (source / "copy.nii").write_bytes((source / "image-1.nii").read_bytes())
    (source / "image-0.json").write_text("{}")
    for again in range(3):
        # The last one without a ledger, as a Fr-PACS that has lost what it kept.
        reports = tmp_path / f"reports-{again}"
        ledger = str(pipeline.ledger) if again < 2 else ""
        assert run(pipeline, SOURCE=str(source), REPORTS=str(reports), LEDGER=ledger) == 0
        totals = pipeline.totals()
        assert (totals["delivered"], totals["copies"], totals["failed"]) == (3, 1, 0)
        written = [json.loads(path.read_text()) for path in reports.glob("*.json")]
        assert {report["scan_id"] for report in written} == set(pipeline.events("acknowledged"))
        with (reports / "index.csv").open(newline="") as file:
            rows = {row["file"]: row for row in csv.DictReader(file)}
        assert rows.keys() == {path.name for path in source.iterdir()}
        assert rows.pop("image-0.json")["outcome"] == "skipped"
        assert sorted(row["outcome"] for row in rows.values()) == ["copy", *["reported"] * 3]
        assert all((reports / f"{row['report']}.json").exists() for row in rows.values())
        assert len({row["scan_id"] for row in rows.values()}) == 3
        assert {report["revision"] for report in written} == {1}
        pipeline.stop_all()
        (source / f"image-{again}.nii").rename(source / f"renamed-{again}.nii")
    assert len(set(pipeline.events("acknowledged"))) == 3
    assert sorted(pipeline.events("reported")) == sorted(set(pipeline.events("acknowledged")))
    verdict = verify(pipeline.store, pipeline.ledger)
    assert (verdict.gaps, verdict.scans["Done"], verdict.reports) == (0, 3, 3)


@pytest.mark.long
def test_a_watched_folder_is_sent_as_it_fills_and_a_kill_repeats_nothing(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    source, reports = tmp_path / "incoming", tmp_path / "reports"
    source.mkdir()
    pipeline.settings.update(
        SOURCE=str(source), WATCH="1", WATCH_QUIET_S="0.2", REPORTS=str(reports)
    )
    pipeline.settings.update(DATA_DIR=str(tmp_path / "data"))

    def arrives(name: str, value: int) -> None:
        image = nib.Nifti1Image(np.full((8, 8, 8), value, np.int16), np.eye(4))  # type: ignore[no-untyped-call]
        nib.save(image, source / name)

    def rows() -> dict[str, str]:
        if not (reports / "index.csv").exists():
            return {}
        with (reports / "index.csv").open(newline="") as file:
            return {row["file"]: row["outcome"] for row in csv.DictReader(file)}

    def known_as_sent() -> int:
        with contextlib.closing(
            sqlite3.connect(next(tmp_path.rglob("watched-files.sqlite")))
        ) as db:
            [(count,)] = db.execute("SELECT count(*) FROM files WHERE outcome = 'sent'")
            return int(count)

    pipeline.start("fr_hub")
    pipeline.start("fr_pacs")
    until(lambda: "watching" in pipeline.log("fr_pacs"), 30)
    arrives("one.nii", 1)
    until(lambda: rows() == {"one.nii": "waiting"}, 30)
    pipeline.kill("fr_pacs")
    sent = known_as_sent()  # the kill may have come before it was noted
    arrives("two.nii", 2)
    pipeline.start("fr_brain")
    pipeline.start("fr_pacs")
    until(lambda: rows() == {"one.nii": "reported", "two.nii": "reported"}, 60)
    assert len(pipeline.events("sent")) == 2
    assert stop(pipeline.processes["fr_pacs"]) == 0, pipeline.log("fr_pacs")
    assert ("files_sent=1" in pipeline.log("fr_pacs")) == (sent == 1)


def test_a_scan_keeps_its_voxels_size_and_orientation_all_the_way(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    affine = np.array([[0, -2.0, 0, 10], [1.5, 0, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
    voxels = np.arange(20 * 24 * 22, dtype=np.int16).reshape(20, 24, 22)
    image = nib.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "image.nii")
    pipeline.start("fr_hub")
    pipeline.settings["SOURCE"] = str(tmp_path / "image.nii")
    pipeline.start("fr_pacs")
    until(lambda: pipeline.events("acknowledged"), 30)
    (claim,) = pipeline.store.claims.claim("the test", 1, 60)
    stored = claim.scan.array(pipeline.store.claims.fetch_voxels(claim))
    assert np.array_equal(stored, voxels)
    assert claim.scan.voxel_size_mm == (1.5, 2.0, 3.0)
    assert claim.scan.orientation == "ALS"


@pytest.mark.sample(1)
@pytest.mark.parametrize("victim", ["fr_hub", "fr_brain", "fr_pacs", "processor"])
def test_killing_a_unit_loses_nothing_and_doubles_nothing(pipeline: Pipeline, victim: str) -> None:
    pipeline.settings.update(KIND="grid", RATE="300", THREADS="2")
    if victim != "fr_pacs":
        pipeline.settings.update(SCANS="1500")
    for unit in UNITS:
        pipeline.start(unit)
    for enough in (150, 500, 850):
        until(lambda: len(pipeline.events("acknowledged")) > enough, 60)  # noqa: B023
        if victim == "processor":
            os.kill(a_child_of(pipeline.processes["fr_brain"].pid), signal.SIGKILL)
        else:
            pipeline.kill(victim)
            pipeline.start(victim)
    if victim == "fr_pacs":
        # It knows nothing of before: what it had acknowledged is all in the store.
        until(lambda: len(pipeline.events("acknowledged")) > 1100, 60)
        stop(pipeline.processes["fr_pacs"])
        pipeline.settings.update(SCANS="1")
        pipeline.start("fr_pacs")
    code = pipeline.processes["fr_pacs"].wait(120)
    if victim != "fr_pacs":
        assert code == 0, pipeline.log("fr_pacs")[-2000:]
        assert len(set(pipeline.events("reported"))) == 1500
    until(lambda: pipeline.store.queries.count_states()["Done"] >= 1100 and idle(pipeline), 60)
    verdict = verify(pipeline.store, pipeline.ledger)
    assert verdict.gaps == 0, verdict
    assert verdict.scans["Error"] == 0


def idle(pipeline: Pipeline) -> bool:
    states = pipeline.store.queries.count_states()
    return not (states["To Do"] or states["In Progress"])


def a_child_of(pid: int) -> int:
    """A processor of this supervisor, not multiprocessing's resource tracker."""

    def found() -> int | None:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return None

    child: int = until(found)
    return child


@pytest.mark.long
def test_a_unit_whose_peer_is_away_says_so_once_and_goes_on_when_it_comes(
    pipeline: Pipeline,
) -> None:
    pipeline.settings.update(SCANS="5", KIND="grid")
    pipeline.start("fr_pacs")
    until(lambda: "waiting for Fr-HUB" in pipeline.log("fr_pacs"), 30)
    pipeline.start("fr_brain")
    pipeline.start("fr_hub")
    assert pipeline.processes["fr_pacs"].wait(60) == 0
    assert pipeline.log("fr_pacs").count("waiting for Fr-HUB") == 1


@pytest.mark.long
def test_reports_wait_for_a_pacs_that_is_away(pipeline: Pipeline) -> None:
    pipeline.settings.update(KIND="grid", RATE="50")
    pipeline.start("fr_hub")
    pipeline.start("fr_pacs")
    until(lambda: len(pipeline.events("acknowledged")) >= 20, 30)
    stop(pipeline.processes["fr_pacs"])
    pipeline.start("fr_brain")
    until(lambda: idle(pipeline), 30)
    assert pipeline.store.queries.count_reports()[False] >= 20
    pipeline.settings.update(SCANS="1")
    pipeline.start("fr_pacs")
    until(pipeline.drained, 30)
    verdict = verify(pipeline.store, pipeline.ledger)
    assert (verdict.gaps, verdict.reports) == (0, verdict.sent)


@pytest.mark.long
def test_reports_go_to_the_pacs_that_their_scans_came_from(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    second = Pipeline(pipeline.store, tmp_path / "second", KIND="grid")
    second.folder.mkdir()
    hub = pipeline.settings["HUB_PORT"]
    both = f"{pipeline.settings['HUB_PACS']},pacs-2=127.0.0.1:{second.settings['PACS_PORT']}"
    pipeline.settings.update(SCANS="30", KIND="grid", HUB_PACS=both)
    second.settings.update(SCANS="20", HUB_PORT=hub, PACS_NAME="pacs-2")
    pipeline.start("fr_hub")
    pipeline.start("fr_brain")
    try:
        pipeline.start("fr_pacs")
        second.start("fr_pacs")
        assert pipeline.processes["fr_pacs"].wait(60) == 0
        assert second.processes["fr_pacs"].wait(60) == 0
        assert len(pipeline.events("reported")) == 30
        assert len(second.events("reported")) == 20
    finally:
        second.stop_all()


@pytest.mark.long
def test_each_unit_stops_in_order_at_sigterm(pipeline: Pipeline) -> None:
    pipeline.settings.update(KIND="grid", RATE="100")
    for unit in UNITS:
        pipeline.start(unit)
    until(lambda: len(pipeline.events("reported")) > 20, 60)
    for unit in reversed(UNITS):
        assert stop(pipeline.processes[unit]) == 0, pipeline.log(unit)[-2000:]
    states = pipeline.store.queries.count_states()
    assert states["In Progress"] == 0  # what was claimed and not done is given back
    assert verify(pipeline.store, pipeline.ledger).gaps == 0


def test_a_pacs_that_the_hub_does_not_know_stops_and_says_what_to_do(pipeline: Pipeline) -> None:
    pipeline.settings.update(SCANS="1", KIND="grid", PACS_NAME="stranger")
    pipeline.start("fr_hub")
    pipeline.start("fr_pacs")
    assert pipeline.processes["fr_pacs"].wait(60) == 1
    assert "add it to Fr-HUB's HUB_PACS" in pipeline.log("fr_pacs")


@pytest.mark.long
def test_a_refused_login_stops_the_unit_and_says_which(pipeline: Pipeline) -> None:
    host = pipeline.store.connection.uri.removeprefix("mongodb://").split("/")[0].split("@")[-1]
    pipeline.settings["MONGODB_URI"] = f"mongodb://nobody:secret-word@{host}/"
    for unit in ("fr_hub", "fr_brain"):
        pipeline.start(unit)
        assert pipeline.processes[unit].wait(60) == 4
        assert "MongoDB refuses" in pipeline.log(unit)
        assert "secret-word" not in pipeline.log(unit)


@pytest.mark.sample(1)
@pytest.mark.parametrize("unit", UNITS)
def test_a_wrong_setting_stops_the_unit_with_its_name_and_what_would_be_right(
    pipeline: Pipeline, unit: str
) -> None:
    pipeline.settings["LOG_LEVEL"] = "loud"
    pipeline.start(unit)
    assert pipeline.processes[unit].wait(30) == 2
    assert "LOG_LEVEL='loud'" in pipeline.log(unit)
    assert "'debug', 'info'" in pipeline.log(unit)


@pytest.mark.long
def test_a_port_in_use_stops_the_unit_and_says_so(pipeline: Pipeline) -> None:
    pipeline.settings.update(KIND="grid", RATE="1")
    pipeline.start("fr_hub")
    pipeline.start("fr_pacs")
    for unit, ready in (("fr_hub", "receiving scans"), ("fr_pacs", "listening for reports")):
        until(lambda: ready in pipeline.log(unit), 30)  # noqa: B023
        second = start(unit, pipeline.folder / "second.log", **pipeline.settings)
        assert second.wait(30) == 3
        assert "is in use" in (pipeline.folder / "second.log").read_text()
