"""Scaling with the number of processors, with an analyzer that only sleeps 100 ms."""

import os
from collections.abc import Callable
from pathlib import Path

from common.store.db_manager import DBManager
from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.units import Bench, checked, rate, units
from tests.running import until

_SLEEP_S = 0.1
_ANALYZER = f"""
import time

from common.models import Findings, Lesions, Quality, Verdict


class Sleeper:
    name = "sleeper"
    version = "1"
    scan_types = frozenset({{"grid"}})
    priority = 100

    def analyse(self, scan, voxels):
        time.sleep({_SLEEP_S})
        return Findings(
            quality=Quality(verdict=Verdict.PASS),
            lesions=Lesions(count=0, voxels=0, volume_ml=None),
            limitations=("It only waits.",),
        )
"""


def brains(count: int) -> str:
    """Subject name."""
    return f"{count} processor{'s' if count > 1 else ''}"


class Scaling:
    """Throughput by number of processors, relative to linear scaling."""

    name = "scaling"
    title = "Processors with an analyzer that waits 100 ms"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 1 if bench.quick else 3
        self._counts = (1, 4, 16) if bench.quick else (1, 2, 4, 8, 16, 32, 64)
        self.goals = tuple(
            Goal(f"{brains(n)}, of linear", (brains(n), "of linear"), None, 0.9, 0.97,
                 limit=True)
            for n in self._counts
        )  # fmt: skip
        self._site = _package(bench.folder)

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Each number of processors."""
        return {
            brains(count): lambda count=count: self.measure(count)  # type: ignore[misc]
            for count in self._counts
        }

    def close(self) -> None:
        """Nothing to release."""

    def measure(self, count: int) -> Figures:
        """Measure ten seconds of work."""
        wanted = int(10 * count / _SLEEP_S / (2 if self._bench.quick else 1))
        path = os.pathsep.join(filter(None, (str(self._site), os.environ.get("PYTHONPATH"))))
        with units(self._bench) as ours:
            ours.start("fr_hub")
            ours.start("fr_brain", BRAIN_PROCESSES=str(count), PYTHONPATH=path)
            # Wait for all processors, as starting one takes a second of CPU time.
            until(lambda: self._up(ours.database) == count, 300)
            checked(ours.send(KIND="grid", SCANS=str(20 * count), SEED="7"), 20 * count)
            totals = checked(ours.send(KIND="grid", SCANS=str(wanted)), wanted)
        figures = rate(totals)
        return {**figures, "of linear": figures["scans/s"] * _SLEEP_S / count}

    def _up(self, database: str) -> int:
        """Number of processors that have started: each opens a chain in the audit trail."""
        store = DBManager(self._bench.uri, database, 60.0)
        try:
            return sum(writer.startswith("processor-") for writer in store.audit_log.ends(""))
        finally:
            store.close()


def _package(folder: Path) -> Path:
    site = folder / "sleeper"
    about = site / "sleeper-1.dist-info"
    about.mkdir(parents=True)
    (site / "sleeper.py").write_text(_ANALYZER)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sleeper\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[fr_brain.analyzers]\nsleeper = sleeper:Sleeper\n")
    return site
