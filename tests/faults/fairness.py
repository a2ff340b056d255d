"""One Fr-PACS floods; the other's scans must not wait behind all of that."""

import signal
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from common.store.collections import Collection
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.rate import CALM, FLOOD
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.world import DATABASE

FLOOD_S = 8.0
BATCH = 500
"""BRAIN_BATCH in this world: what a processor claims at once."""

SOON_S = 3.0
"""A p99 up to this is no wait behind a flood."""

SHARE = 0.5
"""Above it, the other's p99 is at most this share of the flooding one's."""


@CATALOGUE.add("flood", Place.RATE, "one Fr-PACS sends thousands of scans a second, another five")
def flood(scene: Scene) -> None:
    """Of the flood, one batch for each processor at most overtakes a scan of the other, whose p99
    stays far below the flooding one's.

    No scan is analysed while the flood lasts, so that it piles up on any machine. Waits are counted
    from then on.
    """
    world = scene.world
    one, other = world.cluster.of("fr_pacs")
    brains = world.cluster.of("fr_brain")
    for slot in brains:
        world.cluster.signal_all(slot, signal.SIGSTOP)
    began = datetime.now(UTC)
    world.cluster.restart(one, RATE=FLOOD)
    time.sleep(FLOOD_S)
    ended = datetime.now(UTC)
    for slot in brains:
        world.cluster.signal_all(slot, signal.SIGCONT)
    world.cluster.restart(one, RATE=f"{CALM.rate:g}")
    scene.healed()
    scene.recoveries.wait()
    with client_of(world.database.uri, 60) as client:
        base = client[DATABASE]
        flooding = _times(base, one.name, began, ended)
        beside = _times(base, other.name, began, ended)
    scene.demand(len(beside), other.name, "none of its scans came beside the flood")
    if not len(beside):
        return
    p99, p99_flood = (_p99(times, ended) for times in (beside, flooding))
    overtaken = max(
        int(np.count_nonzero((flooding[:, 0] > received) & (flooding[:, 1] < claimed)))
        for received, claimed, _ in beside
    )
    scene.row.notes.update(
        p99_s=round(p99, 2), p99_flooding_s=round(p99_flood, 2), overtaken=overtaken
    )
    most = BATCH * len(brains)
    detail = f"{overtaken} scans of the flood overtook one of its scans, {most} allowed"
    scene.demand(overtaken <= most, other.name, detail)
    fair = p99 <= max(SOON_S, SHARE * p99_flood)
    detail = f"its p99 is {p99:.1f} s beside a flood whose own is {p99_flood:.1f} s"
    scene.demand(fair, other.name, detail)


def _p99(times: Any, ended: datetime) -> float:
    """Of the waits from the end of the flood, or a later receipt, to the report, seconds."""
    return float(np.percentile(times[:, 2] - np.maximum(times[:, 0], ended.timestamp()), 99))


def _times(base: Any, pacs: str, since: datetime, until: datetime) -> Any:
    """(scans, 3): when each scan of the flood's time was received, claimed and reported, seconds of
    MongoDB's clock."""
    wanted = {"scan.pacs": pacs, "received_at": {"$gt": since, "$lt": until}}
    fields = {"received_at": 1, "claimed_at": 1}
    scans = {found["_id"]: found for found in base[Collection.SCANS].find(wanted, fields)}
    sent = {
        found["_id"]: found["sent_at"]
        for found in base[Collection.REPORTS].find({"pacs": pacs, "status": True}, {"sent_at": 1})
    }
    rows = [
        [found["received_at"].timestamp(), found["claimed_at"].timestamp(), sent[key].timestamp()]
        for key, found in scans.items()
        if key in sent and "claimed_at" in found
    ]
    return np.array(rows).reshape(-1, 3)
