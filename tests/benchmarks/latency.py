"""Latency from sending a scan to receiving its report, at 20 scans per second."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.machine import now
from tests.benchmarks.peers.work import messages
from tests.benchmarks.queues import celery_worker
from tests.benchmarks.small import OURS
from tests.benchmarks.units import Bench, checked, units

CELERY = "Celery + Redis, fsync always"
RATE = 20.0


class LatencyPart:
    """10x10 grids at 20 scans per second."""

    name = "latency"
    title = "From sending to the report at 20 scans/s"
    goals = (
        Goal("p50 of Celery + Redis", (OURS, "p50 ms"), (CELERY, "p50 ms"), 0.8, 0.5, below=True),
        Goal("p99 of Celery + Redis", (OURS, "p99 ms"), (CELERY, "p99 ms"), 1.0, 0.8, below=True),
    )

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.rounds = 3 if bench.quick else 5
        self._scans = 200 if bench.quick else 600
        self.samples: dict[str, list[float]] = {OURS: [], CELERY: []}
        """Latencies in ms, for the plot."""

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Fr and Celery."""
        return {OURS: self.fr, CELERY: self.celery}

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
