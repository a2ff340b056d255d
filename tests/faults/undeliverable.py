"""Reports that cannot be sent: given up with a cause, and sent once they are repaired."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pymongo.collection import Collection as MongoCollection

from common.commands.verify import verify
from common.store.collections import Collection
from tests.faults.commands import ENDS_S
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.world import DATABASE
from tests.processes import ROOT, environment

PILE_S = 1.5
"""How long no scan is analysed, so that reports pile up afterwards. Less than a lease."""

WAITS_S = 30.0
GIVEN_UP_S = 60.0

DAMAGE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"$set": {"report": "no report"}}, "damaged"),
    ({"$set": {"report.padding": "x" * (2 << 20)}}, "raise FRAME_LIMIT_KIB"),
)
"""What is done to a report each, and what its cause must say."""


@CATALOGUE.add(
    "undeliverable",
    Place.SERVER,
    "reports that are damaged or too large to be sent; they are repaired and redelivered",
)
def undeliverable(scene: Scene) -> None:
    """They are given up with a cause, hold up no other, and arrive after ``fr redeliver``."""
    world = scene.world
    with client_of(world.database.uri) as client:
        reports = client[DATABASE][Collection.REPORTS]
        saved = _damage(scene, reports)
        if len(saved) < len(DAMAGE):
            scene.demand(False, "undeliverable", "no reports waited to be sent")
            return
        due = world.expected.errors
        world.bear("errors", saved)  # nobody waits for these now
        causes: dict[str, str] = {}

        def given_up() -> bool:
            causes.update({one.key: one.cause for one in world.store.undeliverable.all()})
            return causes.keys() >= saved.keys()

        world.wait(given_up, GIVEN_UP_S)
        for key, (_, cause) in zip(saved, DAMAGE, strict=True):
            found = causes.get(key, "none: it is not given up")
            scene.demand(cause in found, key, f"its cause should say {cause!r} and is {found!r}")
        held_up = world.recovered() is None
        scene.demand(not held_up, "undeliverable", "reports that cannot be sent held up others")
        counted = verify(world.store).undeliverable
        detail = f"make verify counts {counted} undeliverable reports, not {len(saved)}"
        scene.demand(counted == len(saved), "undeliverable", detail)
        for key, report in saved.items():
            reports.update_one({"_id": key}, {"$set": {"report": report}})
    code = _redeliver(scene, list(saved))
    scene.demand(code == 0, "undeliverable", f"fr redeliver ended with exit code {code}")
    world.expect(errors=due)
    for _ in saved:
        scene.healed()


def _damage(scene: Scene, reports: MongoCollection[dict[str, Any]]) -> dict[str, Any]:
    """Damage reports that wait to be sent, and kill an Fr-HUB that will find them; what they were,
    by key."""
    cluster = scene.world.cluster
    hubs, brains = cluster.of("fr_hub"), cluster.of("fr_brain")
    stopped, wanted = [*brains], {"pacs": {"$regex": "^pacs-"}, "status": False, "tries": 0}
    found: list[dict[str, Any]] = []
    for slot in brains:
        cluster.signal_all(slot, signal.SIGSTOP)
    try:
        time.sleep(PILE_S)
        for slot in hubs:
            cluster.signal_all(slot, signal.SIGSTOP)
            stopped.append(slot)
        for slot in brains:
            cluster.signal_all(slot, signal.SIGCONT)

        def enough() -> bool:
            found[:] = reports.find({**wanted, "undeliverable": None}).limit(len(DAMAGE))
            return len(found) == len(DAMAGE)

        scene.world.wait(enough, WAITS_S)
        saved = {one["_id"]: one["report"] for one in found}
        for key, (change, _) in zip(saved, DAMAGE, strict=False):
            reports.update_one({"_id": key}, change)
    finally:
        for slot in stopped:
            cluster.signal_all(slot, signal.SIGCONT)
    cluster.kill(scene.world.slot(scene.pick("fr_hub")))
    return saved


def _redeliver(scene: Scene, keys: list[str]) -> int:
    where = {"MONGODB_URI": scene.world.database.uri, "MONGODB_DATABASE": DATABASE}
    return subprocess.run(
        [str(Path(sys.executable).with_name("fr")), "redeliver"],
        cwd=ROOT,
        env=environment(**where, ID=",".join(keys)),
        stdout=subprocess.DEVNULL,
        timeout=ENDS_S,
        check=False,
    ).returncode
