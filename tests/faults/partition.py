"""Partitions inside the replica set: members do not reach each other, units reach all of them."""

import time
from datetime import UTC, datetime

from tests.faults.nemesis import Scene
from tests.faults.primary import members_agree, moved, set_of
from tests.faults.schedule import CATALOGUE, Place


@CATALOGUE.add(
    "partitioned", Place.SET, "members of the replica set that do not reach each other, four ways"
)
def partitioned(scene: Scene) -> None:
    """The primary alone: it takes writes that reach no majority, and another is elected. A
    secondary alone. A bridge: only one secondary reaches both others. All alone: nothing is
    durable."""
    replicas = set_of(scene)
    for ways in ("primary", "secondary", "bridge", "all"):
        scene.tell(f"apart: {ways}")
        primary = replicas.primary()
        one, other = replicas.secondaries()
        if ways == "primary":
            replicas.part((primary, one), (primary, other))
            moved(scene, primary)
        elif ways == "secondary":
            replicas.part((one, primary), (one, other))
        elif ways == "bridge":
            replicas.part((primary, one))
        else:
            replicas.part((primary, one), (primary, other), (one, other))
            gone = datetime.now(UTC)
        time.sleep(scene.random.uniform(4, 6))
        if ways == "all":
            scene.world.nothing_durable("no member reached another", gone)
        replicas.part()
        scene.healed()
        members_agree(scene)
