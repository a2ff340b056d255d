"""CPU use of an idle system."""

import time
from collections.abc import Callable

from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.units import Bench, checked, units

ALL = "hub, two brains, Fr-PACS; not mongod"


class Idle:
    """CPU use, percent of one core."""

    name = "idle"
    title = "An idle system"
    goals = (Goal("all units, % of a core", (ALL, "% of a core"), None, 2, 1, below=True),)

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 2 if bench.quick else 3
        self._seconds = 10 if bench.quick else 30

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """All units together."""
        return {ALL: self.fr}

    def close(self) -> None:
        """Nothing to release."""

    def fr(self) -> Figures:
        """Measure while Fr-PACS is connected but has nothing to send for hours."""
        with units(self._bench) as ours:
            pids = [ours.start("fr_hub"), ours.start("fr_brain", BRAIN_PROCESSES="2")]
            # Once both processors have worked, everything has started.
            checked(ours.send(KIND="grid", SCANS="400", RATE="100"), 400)
            pids.append(ours.start("fr_pacs", KIND="grid", SCANS="3", RATE="0.0001"))
            time.sleep(10)
            before = cpu_seconds(pids)
            time.sleep(self._seconds)
            return {"% of a core": 100 * (cpu_seconds(pids) - before) / self._seconds}
