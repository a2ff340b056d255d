"""Examinations of one person that come the latest first, while Fr-BRAIN is killed where it sends
scans back: each ends compared with the one before, and each FLAIR scan read with its T1 scan."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.types import hash_voxels, utc_now
from common.store.collections import Collection
from common.wire.messages import Ack
from fr_pacs.sources.phantom.model import make_voxels
from fr_pacs.sources.phantom.source import Recipe
from tests.factories import make_scan
from tests.faults import points
from tests.faults.clients import hub_ports
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.talk import insist
from tests.faults.truth import Contrast
from tests.faults.world import DATABASE

EXAMINATIONS = 16
KILLED_AT = ("looked", "sent-back", "reported", "claimed")
"""Points of Fr-BRAIN, each once."""
DONE_S = 120.0
FIRES_S = 30.0
REVISIONS_MAX = 3
"""A FLAIR scan may be analysed again for its T1 scan, and for its previous scan; whichever reading
comes first may do for both."""

_SHAPE, _SEED = (64, 64, 64), 5
_PAUSE_S = 0.3
_CONTRASTS: tuple[Contrast, ...] = ("flair", "t1")


@dataclass(frozen=True)
class Examination:
    """Two scans on one day."""

    flair: BrainScan
    t1: BrainScan
    voxels: dict[str, bytes]
    """By the scans' keys."""


@lru_cache
def _head(contrast: Contrast) -> tuple[bytes, Any]:
    """The voxels of one head with lesions, and their affine."""
    array, affine = make_voxels(_SEED, 1, _SHAPE, Recipe(contrast=contrast, healthy_chance=0))
    return np.asarray(array, dtype="<i2").tobytes(order="F"), affine


def examinations(pacs: str) -> list[Examination]:
    """Those of one person, a week apart, the latest first."""
    now, made = utc_now(), []
    for n in range(EXAMINATIONS):
        scans, voxels = {}, {}
        for contrast in _CONTRASTS:
            head, affine = _head(contrast)
            scan, _ = make_scan(
                pacs=pacs,
                subject="sub-history",
                study=f"{n:016x}",
                scan_type="volume",
                contrast=contrast,
                acquired_at=now - timedelta(weeks=n),
                shape=_SHAPE,
                dtype="int16",
                voxels_bytes=len(head),
                voxels_hash=hash_voxels(head),
                affine=affine,
            )
            scans[contrast], voxels[scan.key] = scan, head
        made.append(Examination(scans["flair"], scans["t1"], voxels))
    return made


@CATALOGUE.add(
    "histories",
    Place.PEERS,
    "examinations of one person, the latest first; Fr-BRAIN is killed where it sends scans back",
)
def histories(scene: Scene) -> None:
    """Each scan has one report of its last revision, and its Fr-PACS has it."""
    world, name = scene.world, scene.pick("fr_pacs")
    made = examinations(name)
    scans = [scan for one in made for scan in (one.flair, one.t1)]
    keys = [scan.key for scan in scans]
    world.bear("foreign", keys)
    sender = threading.Thread(target=_send, args=(scene, made, name))
    sender.start()
    for point in KILLED_AT:
        _kill_at(scene, f"brain.{point}")
    sender.join()
    world.wait(lambda: not list(_open(scene, made)), DONE_S, 0.5)
    for key, what in _open(scene, made):
        scene.demand(False, key, what)
    revisions = [one.revision for one in world.store.revisions.revisions_of(keys)]
    scene.row.notes.update(again=sum(revisions) - len(revisions))


def _send(scene: Scene, made: list[Examination], name: str) -> None:
    async def send() -> None:
        for one in made:
            for scan in (one.flair, one.t1):
                answer = await insist(hub_ports(scene)[0], name, scan, one.voxels[scan.key])
                scene.demand(isinstance(answer, Ack), scan.key, f"it got {answer!r:.200}")
            await asyncio.sleep(_PAUSE_S)  # so that some are analysed before the next ones come

    asyncio.run(send())


def _kill_at(scene: Scene, point: str) -> None:
    """Whichever Fr-BRAIN comes there first."""
    cluster = scene.world.cluster
    slots = cluster.of("fr_brain")
    for slot in slots:
        cluster.arm(slot, point, "kill", 1)
    fired = scene.world.wait(
        lambda: any(points.fired(slot.points, point) for slot in slots), FIRES_S, 0.02
    )
    for slot in slots:
        points.disarm(slot.points, point)
    scene.demand(fired, "histories", f"the point {point} was not reached")
    if fired:
        scene.healed()


def _open(scene: Scene, made: list[Examination]) -> Iterator[tuple[str, str]]:
    """What is not yet as it must be: a scan, and what is wrong with it."""
    world = scene.world
    keys = [scan.key for one in made for scan in (one.flair, one.t1)]
    revised = {one.key: one for one in world.store.revisions.revisions_of(keys)}
    taken = {(one.scan_id, one.revision) for one in world.deliveries.read()}
    with client_of(world.database.uri) as client:
        reports = {
            one["_id"]: one["report"]["findings"]
            for one in client[DATABASE][Collection.REPORTS].find({"_id": {"$in": keys}})
        }
    for n, one in enumerate(made):
        before = made[n + 1] if n + 1 < len(made) else None
        for scan, previous in (
            (one.flair, before and before.flair),
            (one.t1, before and before.t1),
        ):
            stored, findings = revised.get(scan.key), reports.get(scan.key)
            if stored is None or findings is None or stored.state != ReportGenerated.DONE:
                yield scan.key, f"it is {stored and stored.state}"
                continue
            if not stored.is_consistent or stored.revision > REVISIONS_MAX:
                yield scan.key, f"revision {stored.revision}, of the report {stored.report}"
            if (scan.key, stored.revision) not in taken:
                yield scan.key, f"revision {stored.revision} did not come to its Fr-PACS"
            named = (findings["follow_up"] or {}).get("previous_scan")
            if named != (previous and previous.scan_id):
                yield scan.key, f"it is compared with {named}"
        with_t1 = reports.get(one.flair.key, {}).get("with_t1") or {}
        if with_t1.get("t1_scan") != one.t1.scan_id:
            yield one.flair.key, f"it is read with {with_t1.get('t1_scan')}"
