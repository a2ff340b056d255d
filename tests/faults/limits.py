"""Limits that Fr-HUB keeps: the backlog is full, the disk is too full."""

import signal
import time

from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place

BACKLOG = 60
_FULL_S = 30.0
_STILL_S = 3.0
_NEVER_FREE_MIB = str(1 << 30)


@CATALOGUE.add("backlog-full", Place.SERVER, "no scan is analysed, until HUB_BACKLOG are waiting")
def backlog_full(scene: Scene) -> None:
    """Fr-HUB answers busy; what it has acknowledged stays, and the rest comes later."""
    world = scene.world
    hubs, brains = world.cluster.of("fr_hub"), world.cluster.of("fr_brain")
    world.cluster.restart(*hubs, HUB_BACKLOG=str(BACKLOG))
    for slot in brains:
        world.cluster.signal_all(slot, signal.SIGSTOP)
    try:
        stands = world.wait(lambda: _still(scene), _FULL_S, 0)
        scene.demand(stands, "backlog", f"scans still come in after {_FULL_S:.0f} s")
        waiting = sum(world.store.queries.count_states()[s] for s in ("To Do", "In Progress"))
        # Each hub may have accepted as many in the second between two measurements.
        most = BACKLOG * len(hubs) + 100
        scene.row.notes["waiting"] = waiting
        scene.demand(waiting <= most, "backlog", f"{waiting} scans wait, {most} allowed")
    finally:
        for slot in brains:
            world.cluster.signal_all(slot, signal.SIGCONT)
    scene.healed()
    scene.recoveries.wait()
    world.cluster.restart(*hubs, HUB_BACKLOG="")


@CATALOGUE.add("disk-limit", Place.SERVER, "less disk is free than HUB_DISK_FREE_MIB asks for")
def disk_limit(scene: Scene) -> None:
    """Nothing new is accepted, reports are still delivered, and it goes on when there is room."""
    world = scene.world
    hubs = world.cluster.of("fr_hub")
    world.cluster.restart(*hubs, HUB_DISK_FREE_MIB=_NEVER_FREE_MIB)
    stands = world.wait(lambda: _still(scene), _FULL_S, 0)
    scene.demand(stands, "disk", f"scans still come in after {_FULL_S:.0f} s")
    delivered = world.wait(lambda: not any(world.waiting().values()), _FULL_S)
    scene.demand(delivered, "disk", "reports are not delivered meanwhile")
    world.cluster.restart(*hubs, HUB_DISK_FREE_MIB="0")
    scene.healed()


def _still(scene: Scene) -> bool:
    """Whether nothing is acknowledged for some seconds."""
    before = scene.world.acknowledged()
    time.sleep(_STILL_S)
    return scene.world.acknowledged() == before
