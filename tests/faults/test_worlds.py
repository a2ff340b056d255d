"""``make faults`` as a command: worlds at once, each accounted for, none left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.report import Result
from tests.processes import ROOT, environment
from tests.running import until

pytestmark = pytest.mark.long

FAULTS = "at-hub.stored,malformed"
"""Of two worlds, and short."""


class Run:
    """The command, started."""

    def __init__(self, folder: Path) -> None:
        self.report = folder / "faults.json"
        self.folder = folder / "worlds"
        self._out = folder / "out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults"],
                cwd=ROOT,
                env=environment(
                    SEED="1",
                    ONLY=FAULTS,
                    FAULTS_REPORT=str(self.report),
                    FAULTS_FOLDER=str(self.folder),
                ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    @property
    def output(self) -> str:
        """So far."""
        return self._out.read_text(encoding="utf-8")

    def worlds(self) -> list[int]:
        """The processes of the worlds that run now."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [
            int(child)
            for child in children
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    def left(self) -> list[int]:
        """Processes, of anything, that write into its folder or keep data there."""
        mark, found = str(self.folder).encode(), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and any(
                    mark in (entry / name).read_bytes() for name in ("cmdline", "environ")
                ):
                    found.append(int(entry.name))
            except OSError:
                continue  # it has just ended
        return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = Run(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def test_each_world_is_accounted_for(run: Run) -> None:
    assert run.process.wait(180) == 0, run.output
    result = Result.model_validate_json(run.report.read_text())
    assert {row["fault"] for row in result.rows} == set(FAULTS.split(","))
    assert {one["place"] for one in result.episodes} == {row["place"] for row in result.rows}
    assert all(one["counts"]["acknowledged"] for one in result.episodes)
    assert result.passed
    until(lambda: run.left() == [], within_s=30)  # they end by themselves, after it


def test_a_world_whose_process_dies_is_a_violation(run: Run) -> None:
    until(lambda: len(run.worlds()) == 2, within_s=60)
    os.kill(run.worlds()[0], signal.SIGKILL)
    assert run.process.wait(180) == 1, run.output
    result = Result.model_validate_json(run.report.read_text())
    [violation] = result.violations
    assert "ended with exit code -9" in violation
    until(lambda: run.left() == [], within_s=30)


def test_a_run_that_is_ended_leaves_no_process(run: Run) -> None:
    until(lambda: len(list(run.folder.rglob("pacs-1.jsonl"))) == 2, within_s=90)
    run.process.terminate()
    assert run.process.wait(60) == 143, run.output
    until(lambda: run.left() == [], within_s=30)
