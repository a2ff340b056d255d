"""Latency from sending a scan to receiving its report, at 20 scans per second."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.floors import two_writes
from tests.benchmarks.machine import now
from tests.benchmarks.peers.work import messages
from tests.benchmarks.queues import celery_worker
from tests.benchmarks.small import OURS
from tests.benchmarks.units import Bench, checked, units

CELERY = "Celery + Redis, fsync always"
FLOOR = "limit: two durable writes through three processes"
RATE = 20.0


class LatencyPart:
    """10x10 grids at 20 scans per second."""

    name = "latency"
    title = "From sending to the report at 20 scans/s"
    goals = (
        Goal("p50 of Celery + Redis", (OURS, "p50 ms"), (CELERY, "p50 ms"), 0.7, 0.5, below=True),
        Goal("p99 of Celery + Redis", (OURS, "p99 ms"), (CELERY, "p99 ms"), 0.7, 0.5, below=True),
        Goal("p50 over that of two writes", (OURS, "p50 ms"), (FLOOR, "p50 ms"), 2.5, 2.0,
             below=True, limit=True),
    )  # fmt: skip

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.rounds = 3 if bench.quick else 5
        self._scans = 200 if bench.quick else 600
        self.samples: dict[str, list[float]] = {OURS: [], CELERY: [], FLOOR: []}
        """Latencies in ms, for the plot."""

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Fr, Celery and the limit."""
        return {OURS: self.fr, CELERY: self.celery, FLOOR: self.floor}

    def close(self) -> None:
        """Nothing to release."""

    def fr(self) -> Figures:
        """Fr: all three units."""
        with units(self._bench) as ours:
            ours.start("fr_hub")
            ours.start("fr_brain", BRAIN_PROCESSES="2")
            checked(ours.send(KIND="grid", SCANS="40", RATE=str(RATE), SEED="7"), 40)
            module = "tests.benchmarks.sender"
            totals = ours.send(
                module, KIND="grid", SCANS=str(self._scans), RATE=str(RATE), THREADS="1"
            )
            checked(totals, self._scans)
            return self._figures(OURS, totals["latencies_ms"])

    def floor(self) -> Figures:
        """Two durable writes, one after the other."""
        figures, took = two_writes(self._bench, self._scans, RATE)
        self.samples[FLOOR] += took
        return figures

    def celery(self) -> Figures:
        """Celery: one thread per task in flight waits for the result, as a web handler would."""
        with celery_worker(self._bench, "always") as analyse:
            todo = list(messages(self._scans, seed=1))
            for message in messages(40, seed=7):
                analyse.delay(message).get(timeout=60)
            took: list[float] = []

            def one(message: dict[str, Any]) -> None:
                began = now()
                analyse.delay(message).get(timeout=60, interval=0.001)
                took.append((now() - began) * 1000)

            threads = []
            due = now()
            for message in todo:
                while (wait := due - now()) > 0:
                    threading.Event().wait(wait)
                thread = threading.Thread(target=one, args=(message,))
                thread.start()
                threads.append(thread)
                due += 1 / RATE
            for thread in threads:
                thread.join()
            assert len(took) == len(todo)
            return self._figures(CELERY, took)

    def _figures(self, subject: str, took: list[float]) -> Figures:
        self.samples[subject] += took
        p50, p99 = np.percentile(np.array(took), (50, 99))
        return {"p50 ms": float(p50), "p99 ms": float(p99)}
