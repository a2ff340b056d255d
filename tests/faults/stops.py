"""SIGSTOP and SIGTERM: units that stand still for longer than they may, and units that are asked
to end at load."""

import os
import signal
import time

from tests.faults.cluster import Slot
from tests.faults.kills import fire
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.world import LEASE_S

_ANSWERS_S = 20.0


@CATALOGUE.add(
    "stop-brain", Place.SERVER, "Fr-BRAIN stopped with claims for longer than its lease, continued"
)
def stop_brain(scene: Scene) -> None:
    """At each named point; meanwhile the other Fr-BRAIN takes the scans over and is done."""
    for point in ("brain.claimed", "brain.analysed", "brain.reported"):
        first, _ = _both(scene)
        pid = fire(scene, first, point, "stop", scene.random.randint(1, 3))
        if pid:
            time.sleep(LEASE_S + 1.5)
            os.kill(pid, signal.SIGCONT)
            scene.healed()


@CATALOGUE.add(
    "stop-both-brains",
    Place.SERVER,
    "one Fr-BRAIN stopped past its lease, then the one that took over; the first continues first",
)
def stop_both_brains(scene: Scene) -> None:
    """The first completes under a claim that it has lost while the heir still holds it: only the
    fence keeps it from being believed."""
    first, heir = _both(scene)
    pid = fire(scene, first, "brain.analysed", "stop")
    if not pid:
        return
    heir_pid = fire(scene, heir, "brain.reclaimed", "stop")
    before = len(scene.world.completions.read())
    os.kill(pid, signal.SIGCONT)

    # Its answer is recorded before its heir goes on.
    scene.world.wait(lambda: len(scene.world.completions.read()) > before, _ANSWERS_S)
    if heir_pid:
        os.kill(heir_pid, signal.SIGCONT)
    scene.healed()


def _both(scene: Scene) -> tuple[Slot, Slot]:
    first, second = scene.random.sample(scene.world.cluster.of("fr_brain"), 2)
    return first, second


def _stand_still(scene: Scene, unit: str) -> None:
    slot = scene.world.slot(scene.pick(unit))
    seconds = scene.random.uniform(2, 9)  # less and more than a connection may be silent
    scene.world.cluster.signal_all(slot, signal.SIGSTOP)
    time.sleep(seconds)
    scene.world.cluster.signal_all(slot, signal.SIGCONT)
    scene.healed()


@CATALOGUE.add("stop-hub", Place.SERVER, "Fr-HUB stopped, continued")
def stop_hub(scene: Scene) -> None:
    """Fr-PACS keep what is not acknowledged."""
    _stand_still(scene, "fr_hub")


@CATALOGUE.add("stop-pacs", Place.SERVER, "Fr-PACS stopped, continued")
def stop_pacs(scene: Scene) -> None:
    """Its reports wait."""
    _stand_still(scene, "fr_pacs")


@CATALOGUE.add("sigterm", Place.SERVER, "SIGTERM to each unit under load")
def sigterm(scene: Scene) -> None:
    """Each drains, ends with 0, and is started again; Fr-BRAIN keeps no claim."""
    for unit in ("fr_pacs", "fr_brain", "fr_hub"):
        slot = scene.world.slot(scene.pick(unit))
        scene.world.cluster.wait_ready(slot)
        [code] = scene.world.cluster.restart(slot)
        scene.demand(code == 0, slot.name, f"SIGTERM at load ended it with exit code {code}")
        scene.healed()
