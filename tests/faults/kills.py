"""SIGKILL: at random times, many in quick succession, and at the named points."""

import signal
import time
from collections.abc import Callable

from tests.faults import points
from tests.faults.cluster import Slot
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place

FIRES_S = 60.0
"""A point that is not reached within this, at load, is never reached."""

EPISODE = 50
"""Kills in quick succession, after which all must recover before it goes on."""

_WHAT = {
    "fr_pacs": "SIGKILL of Fr-PACS at random times",
    "fr_hub": "SIGKILL of Fr-HUB at random times",
    "fr_brain": "SIGKILL of Fr-BRAIN, with or without its processors, at random times",
}


def storm(scene: Scene, units: list[str], kills: int) -> None:
    """Kill each kind of unit so often, in any order, without waiting for recovery: units that
    are just starting are left alone, as killing those proves nothing."""
    world, draw = scene.world, scene.random
    victims = [unit for unit in units for _ in range(kills)]
    draw.shuffle(victims)
    for n, unit in enumerate(victims, 1):
        slots = world.cluster.of(unit)
        chosen = draw.choice(slots)
        rest = [slot for slot in slots if slot is not chosen]
        pause, alone = draw.uniform(0.0, 0.5), draw.random() < 0.3
        time.sleep(pause)
        victim = _ready([chosen, *rest])
        world.cluster.kill(victim, with_processors=not alone)
        scene.healed()
        scene.recoveries.check()
        scene.tell(f"{n} of {len(victims)} kills")
        if scene.row.injected % EPISODE == 0:
            scene.tell("recovering")
            scene.recoveries.wait()


def _ready(slots: list[Slot]) -> Slot:
    deadline = time.monotonic() + FIRES_S
    while True:
        for slot in slots:
            if slot.ready:
                return slot
        assert time.monotonic() < deadline, f"{slots[0].name} does not start"
        time.sleep(0.01)


def _adding(unit: str) -> None:
    name = unit.replace("fr_", "kill-")

    @CATALOGUE.add(name, Place.SERVER, _WHAT[unit])
    def kill(scene: Scene) -> None:
        # The other half is killed on a replica set.
        storm(scene, [unit], scene.kills - scene.kills // 2)


for _unit in _WHAT:
    _adding(_unit)


@CATALOGUE.add("kill-processor", Place.SERVER, "SIGKILL of a processor of Fr-BRAIN")
def kill_processor(scene: Scene) -> None:
    """The supervisor releases its scans and replaces it."""
    import os

    for slot in scene.world.cluster.of("fr_brain"):
        for pid in slot.processors():
            os.kill(pid, signal.SIGKILL)
            scene.healed()


def fire(scene: Scene, slot: Slot, point: str, action: str = "kill", passes: int = 1) -> int:
    """Arm a point and wait until it has fired: the process that ended or stopped there, 0 if the
    point was not reached."""
    scene.world.cluster.arm(slot, point, action, passes)
    pid = 0

    def has_fired() -> bool:
        nonlocal pid
        pid = points.fired(slot.points, point) or 0
        return pid != 0

    if not scene.world.wait(has_fired, FIRES_S, 0.02):
        points.disarm(slot.points, point)
        scene.demand(False, slot.name, f"the point {point} was not reached")
    return pid


def _pointed(unit: str, point: str) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        slot = scene.world.slot(scene.pick(unit))
        passes = scene.random.randint(1, 3)
        if fire(scene, slot, point, "kill", passes):
            slot.kills += unit != "fr_brain"  # there it is a processor's
            scene.healed()

    return act


for _unit, _names in points.POINTS.items():
    if _unit == "fr_web":
        continue  # reached only by uploads: tests/faults/web.py has them
    for _point in _names:
        if _point == "brain.reclaimed":
            continue  # reached only after another fault: stop-both-brains has it
        if _point in ("brain.sent-back", "brain.looked"):
            continue  # reached only by scans of one person: tests/faults/histories.py has them
        CATALOGUE.add(
            f"at-{_point}", Place.SERVER, f"{_unit} is killed at the point {_point}", swarm=True
        )(_pointed(_unit, _point))
