"""A long run: ``make soak MINUTES=120``, with small heads or, with ``FORM=large``, large ones.

It shows whether the memory of the units stays flat, and whether acknowledgements stall while
MongoDB writes checkpoints and the voxels of old scans are deleted. Fr-PACS sends small heads at
``RATE`` per second, or prepared ones of 14.2 MB. Retention removes the voxels of
scans that were delivered more than ``KEPT_S`` seconds ago, so the disk does not fill up.
"""

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]

from common.commands.verify import verify
from common.runtime.console import Console, Table
from common.store.db_manager import DBManager
from tests.benchmarks import machine
from tests.benchmarks.large import EMPTY, save_volume
from tests.benchmarks.servers import mongod
from tests.benchmarks.units import Bench, Sending, Units, units

EVERY_S = 1.0
"""Interval of the samples."""

KEPT_S = 60.0
PURGE_S = 10.0

_EVICTING = "application thread time evicting (usecs)"
_END_S = 900.0
"""How long the last reports may take."""


@dataclass(slots=True)
class Soak:
    """What was measured; times are seconds since the start."""

    machine: dict[str, str]
    minutes: float
    form: str
    at: list[float] = field(default_factory=list)
    memory_mib: dict[str, list[float]] = field(default_factory=dict)
    """Resident memory of each unit with its processes, at each sample."""
    checkpoint: list[bool] = field(default_factory=list)
    """Whether MongoDB was writing a checkpoint."""
    evicting_ms: list[float] = field(default_factory=list)
    """How long its clients had to make room in its cache, since the last sample, milliseconds."""
    acknowledged: list[tuple[float, float]] = field(default_factory=list)
    """When each scan was acknowledged, and how long after it was sent, both in seconds."""
    delivered: int = 0
    megabytes: float = 0.0
    purged: int = 0
    gaps: int = 0

    @property
    def lost(self) -> int:
        """Gaps of the store, and scans that were acknowledged but whose report never arrived."""
        return self.gaps + max(0, len(self.acknowledged) - self.delivered)

    def growth(self, unit: str) -> tuple[float, float]:
        """MiB by which a unit grew from the second quarter of the run to the last one, and the
        slope of its memory after the first quarter, MiB per hour."""
        values = np.array(self.memory_mib[unit])
        at = np.array(self.at)
        quarter = len(values) // 4
        grown = float(np.median(values[-quarter:]) - np.median(values[quarter : 2 * quarter]))
        slope = float(np.polyfit(at[quarter:], values[quarter:], 1)[0]) * 3600
        return grown, slope


def _tree(pid: int) -> list[Any]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _memory_mib(pid: int) -> float:
    total = 0.0
    for process in _tree(pid):
        try:
            total += process.memory_info().rss / 2**20
        except psutil.NoSuchProcess:  # ended since it was listed
            continue
    return total


class _Sampler(threading.Thread):
    """Samples memory and MongoDB until it is stopped; purges old voxels."""

    def __init__(self, bench: Bench, database: str, pids: dict[str, int], soak: Soak) -> None:
        super().__init__(name="sampler", daemon=True)
        self._bench, self._database, self._pids, self._soak = bench, database, pids, soak
        self.stop = threading.Event()
        self.began = time.monotonic()

    def run(self) -> None:
        """Sample until stopped."""
        purging = threading.Thread(target=self._purge, name="purging", daemon=True)
        purging.start()
        evicting = 0.0
        with self._bench.client() as client:
            while not self.stop.wait(EVERY_S):
                try:
                    memory = {name: _memory_mib(pid) for name, pid in self._pids.items()}
                except psutil.NoSuchProcess:  # Fr-PACS has ended
                    continue
                tiger = client.admin.command("serverStatus")["wiredTiger"]
                soak, before = self._soak, evicting
                evicting = tiger["thread-yield"][_EVICTING] / 1000
                soak.at.append(time.monotonic() - self.began)
                for name, value in memory.items():
                    soak.memory_mib.setdefault(name, []).append(value)
                running = tiger["transaction"]["transaction checkpoint currently running"]
                soak.checkpoint.append(bool(running))
                soak.evicting_ms.append(evicting - before)
        purging.join()

    def _purge(self) -> None:
        store = DBManager(self._bench.uri, self._database, 60.0)
        try:
            while not self.stop.wait(PURGE_S):
                for page in store.retention.purge(KEPT_S / 86_400, include_report=False):
                    self._soak.purged += len(page.keys)
        finally:
            store.close()


def _sending(running: Units, soak: Soak, volume: Path | None) -> Sending:
    rate = float(os.environ.get("RATE") or 4)
    settings = {"BENCH_MINUTES": str(soak.minutes), "REPORT_PATIENCE_S": "120", "RATE": str(rate)}
    if volume is not None:
        settings["BENCH_VOLUME"] = str(volume)
        return running.start_sending("tests.benchmarks.sender", **settings)
    return running.start_sending(
        "tests.benchmarks.sender",
        KIND="phantom",
        SHAPE="64",
        SCANS=str(int(rate * 60 * soak.minutes)),
        **settings,
    )


def measure(bench: Bench, soak: Soak, volume: Path | None, mongod_pid: int) -> None:
    """Run all units for ``soak.minutes``."""
    with units(bench, SEND_TIMEOUT_S="600") as running:
        pids = {
            "mongod": mongod_pid,
            "Fr-HUB": running.start("fr_hub"),
            "Fr-BRAIN": running.start("fr_brain", BRAIN_PROCESSES="2"),
        }
        sending = _sending(running, soak, volume)
        pids["Fr-PACS"] = sending.process.pid
        sampler = _Sampler(bench, running.database, pids, soak)
        sampler.start()
        try:
            totals = sending.summary(60 * soak.minutes + _END_S)
        finally:
            sampler.stop.set()
            sampler.join()
        soak.delivered, soak.megabytes = totals["delivered"], totals["megabytes"]
        began = sampler.began
        soak.acknowledged = [(at - began, took) for at, took in totals["acknowledged_at"]]
        store = DBManager(bench.uri, running.database, 60.0)
        try:
            soak.gaps = verify(store).gaps
        finally:
            store.close()


def show(soak: Soak, console: Console) -> None:
    """Print what was measured."""
    table = Table(title="Memory, MiB", title_justify="left")
    for column in ("unit", "median", "most", "grown", "per hour"):
        table.add_column(column, justify="left" if column == "unit" else "right")
    for unit, values in soak.memory_mib.items():
        grown, slope = soak.growth(unit)
        middle = statistics.median(values)
        row = (f"{middle:.0f}", f"{max(values):.0f}", f"{grown:+.1f}", f"{slope:+.1f}")
        table.add_row(unit, *row)
    console.print(table)
    took = np.array([took for _, took in soak.acknowledged]) * 1000
    names = ("median", "99 %", "99.9 %", "longest")
    values = [*np.percentile(took, (50, 99, 99.9)), took.max()]
    figures = ", ".join(f"{name} {value:.0f} ms" for name, value in zip(names, values, strict=True))
    console.print(f"acknowledgements of {len(took):,} scans: {figures}")
    for at, longest in sorted(soak.acknowledged, key=lambda one: -one[1])[:5]:
        near = [n for n, one in enumerate(soak.at) if at - longest - EVERY_S <= one <= at + EVERY_S]
        checkpoint = any(soak.checkpoint[n] for n in near)
        evicting = sum(soak.evicting_ms[n] for n in near)
        console.print(
            f"  {1000 * longest:.0f} ms after {at:.0f} s: "
            f"{'during' if checkpoint else 'without'} a checkpoint, "
            f"{evicting:.0f} ms of making room in the cache"
        )
    console.print(
        f"{soak.delivered:,} reports delivered, {soak.megabytes:,.0f} MB of voxels stored, "
        f"those of {soak.purged:,} scans removed, {soak.gaps} gaps"
    )


def main() -> int:
    """Run for MINUTES; the exit code is 1 if anything is lost."""
    form = os.environ.get("FORM") or "small"
    out = Path(os.environ.get("BENCH") or f".data/bench/soak-{form}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    soak = Soak(machine.describe(), float(os.environ.get("MINUTES") or 120), form)
    with tempfile.TemporaryDirectory(prefix="fr-soak-") as name, mongod(Path(name)) as running:
        bench = Bench(running.uri, Path(name), quick=False)
        volume = save_volume(bench.folder, EMPTY) if form == "large" else None
        measure(bench, soak, volume, running.pid)
    out.write_text(json.dumps(asdict(soak)) + "\n")
    from tests.benchmarks.soak_picture import draw  # needs matplotlib, which tests do not have

    console = Console()
    show(soak, console)
    console.print(f"all values: {out}", f"plot: {draw(soak, out.with_suffix('.png'))}", sep="\n")
    return int(soak.lost > 0)


if __name__ == "__main__":
    sys.exit(main())
