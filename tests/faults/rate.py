"""A high rate: thousands of scans a second, so batches of hundreds, while units are killed."""

from collections import Counter

from common.domain.audit_events import Kind
from common.store.collections import Collection
from tests.faults.kills import storm
from tests.faults.loads import Load
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.store import mongod_of
from tests.faults.world import DATABASE

CALM = Load("grid", "10", 5)
"""Before and after."""

FLOOD = "2000"
"""Scans a second of each Fr-PACS: more than a small machine takes, so that all buffers fill."""

KILLS = 2
"""Of each unit, at most: all within some seconds."""

FILLS_S = 30.0
BATCH = 100
"""What the largest batch must at least have been, scans; at 12 scans a second it is one scan."""


@CATALOGUE.add("high-rate", Place.RATE, "thousands of scans a second; units and mongod are killed")
def high_rate(scene: Scene) -> None:
    """Whole batches are lost on their way, and come again."""
    pacs = scene.world.cluster.of("fr_pacs")
    scene.world.cluster.restart(*pacs, RATE=FLOOD)
    scene.world.wait(lambda: largest_batch(scene) >= BATCH, FILLS_S)
    storm(scene, ["fr_pacs", "fr_hub", "fr_brain"], min(KILLS, scene.kills))
    mongod = mongod_of(scene)
    mongod.kill()
    mongod.start()
    scene.healed()
    # What has piled up is analysed; only little that is new comes behind it.
    scene.world.cluster.restart(*pacs, RATE=f"{CALM.rate:g}")
    batch = largest_batch(scene)
    acked = Counter(
        at.replace(microsecond=0)
        for one in scene.world.ledgers()
        for at in one.acknowledged.values()
    )
    scene.row.notes.update(largest_batch=batch, acknowledged_s_peak=max(acked.values(), default=0))
    scene.demand(batch >= BATCH, "high-rate", f"the largest batch was of {batch} scans")


def largest_batch(scene: Scene) -> int:
    """The most scans that a Fr-HUB has received in one batch, as the audit trail has it."""
    with client_of(scene.world.database.uri) as client:
        [found] = client[DATABASE][Collection.AUDIT].aggregate(
            [
                {"$unwind": "$events"},
                {"$match": {"events.kind": Kind.RECEIVE}},
                {"$group": {"_id": None, "most": {"$max": {"$size": "$events.ids"}}}},
            ]
        )
    return int(found["most"])
