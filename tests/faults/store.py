"""MongoDB, one server: killed, away, slow, failing before and after it did what it was asked; and
what is in it changed."""

import signal
import time
from datetime import UTC, datetime
from typing import Any

from common.store.collections import Collection
from tests.faults.mongods import Mongod, client_of
from tests.faults.nemesis import Scene
from tests.faults.proxy import DOWN, Proxy
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.world import DATABASE

WRITES = ["insert", "update", "findAndModify", "delete"]


def mongod_of(scene: Scene) -> Mongod:
    """The one server."""
    assert isinstance(scene.world.database, Mongod)
    return scene.world.database


def _proxy(scene: Scene) -> Proxy:
    assert scene.world.mongo_proxy is not None
    return scene.world.mongo_proxy


@CATALOGUE.add("mongodb-killed", Place.SERVER, "SIGKILL of a single mongod, started again")
def mongodb_killed(scene: Scene) -> None:
    """What was acknowledged is in its journal."""
    mongod = mongod_of(scene)
    for _ in range(3):
        time.sleep(scene.random.uniform(0.5, 1.5))
        mongod.kill()
        mongod.start()
        scene.healed()


@CATALOGUE.add("mongodb-away", Place.SERVER, "mongod shut down cleanly, started again later")
def mongodb_away(scene: Scene) -> None:
    """Meanwhile nothing is acknowledged."""
    mongod = mongod_of(scene)
    mongod.stop()
    gone = datetime.now(UTC)
    time.sleep(scene.random.uniform(6, 9))
    scene.world.nothing_durable("MongoDB was away", gone)
    mongod.start()
    scene.healed()


@CATALOGUE.add("mongodb-stopped", Place.SERVER, "SIGSTOP of a single mongod, continued")
def mongodb_stopped(scene: Scene) -> None:
    """It holds its connections and does not answer."""
    mongod = mongod_of(scene)
    mongod.signal(signal.SIGSTOP)
    gone = datetime.now(UTC)
    time.sleep(scene.random.uniform(6, 8))
    scene.world.nothing_durable("mongod stood still", gone)
    mongod.signal(signal.SIGCONT)
    scene.healed()


def _failing(scene: Scene, times: int, **data: Any) -> None:
    """Have so many commands fail in this way, three times over."""
    for _ in range(3):
        mongod_of(scene).fail(times, **data)
        time.sleep(scene.random.uniform(0.3, 0.8))
        scene.healed()
    mongod_of(scene).fail_no_more()


@CATALOGUE.add("closed-once", Place.SERVER, "connection closes before a write is executed, once")
def closed_once(scene: Scene) -> None:
    """failCommand."""
    _failing(scene, 1, failCommands=WRITES, closeConnection=True)


@CATALOGUE.add("closed-twice", Place.SERVER, "connection closes before a write, and at its retry")
def closed_twice(scene: Scene) -> None:
    """failCommand."""
    _failing(scene, 2, failCommands=WRITES, closeConnection=True)


@CATALOGUE.add("write-concern-error", Place.SERVER, "writes done, write concern not reached")
def write_concern_error(scene: Scene) -> None:
    """failCommand: a document that is there and not durable."""
    error = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"}
    _failing(scene, 4, failCommands=WRITES, writeConcernError=error)


@CATALOGUE.add("slow-commands", Place.SERVER, "commands that take less and more time than allowed")
def slow_commands(scene: Scene) -> None:
    """failCommand with a delay; the units' limit is 5 s."""
    for delay_ms in (1500, 6500):
        mongod_of(scene).fail(
            6,
            failCommands=[*WRITES, "find", "aggregate"],
            blockConnection=True,
            blockTimeMS=delay_ms,
        )
        time.sleep(delay_ms / 1000 + 0.5)
        scene.healed()
    mongod_of(scene).fail_no_more()


@CATALOGUE.add(
    "trail-refused",
    Place.SERVER,
    "entries of the audit trail cannot be written; Fr-HUB and mongod are killed then",
)
def trail_refused(scene: Scene) -> None:
    """Between the commit of scans and their entry in the trail: nothing of them is acknowledged."""
    mongod, namespace = mongod_of(scene), f"{DATABASE}.{Collection.AUDIT}"
    refused = {"failCommands": ["insert"], "namespace": namespace, "closeConnection": True}
    mongod.fail_point("failCommand", mode="alwaysOn", data={"appName": "fr", **refused})
    gone = datetime.now(UTC)
    with client_of(mongod.uri) as client:
        scans = client[DATABASE][Collection.SCANS]
        since = {"received_at": {"$gt": gone}}
        committed = scene.world.wait(lambda: scans.find_one(since, {"_id": 1}) is not None, 30)
    scene.demand(committed, "trail-refused", "no scan was committed meanwhile")
    time.sleep(scene.random.uniform(0.3, 0.8))
    for slot in scene.world.cluster.of("fr_hub"):
        scene.world.cluster.kill(slot)
    scene.world.nothing_durable("the audit trail could not be written", gone)
    mongod.kill()  # the fail point ends with it
    mongod.start()
    scene.healed()


@CATALOGUE.add("replies-lost", Place.SERVER, "writes committed, every reply lost, then a reset")
def replies_lost(scene: Scene) -> None:
    """Who asked cannot know: it asks again."""
    proxy = _proxy(scene)
    for _ in range(3):
        proxy.set(swallow=(DOWN,))
        time.sleep(scene.random.uniform(0.2, 0.6))
        proxy.set(refuse=True)
        proxy.reset_all()
        proxy.set()
        scene.healed()


@CATALOGUE.add("mongodb-reset", Place.SERVER, "the connections to MongoDB are reset")
def mongodb_reset(scene: Scene) -> None:
    """In the middle of anything."""
    for _ in range(4):
        time.sleep(scene.random.uniform(0.1, 0.5))
        _proxy(scene).reset_all()
        scene.healed()


@CATALOGUE.add("chunk-corrupted", Place.SERVER, "a bit of a stored chunk is changed")
def chunk_corrupted(scene: Scene) -> None:
    """The scan becomes 'Error', and has no report."""
    brains = scene.world.cluster.of("fr_brain")
    for slot in brains:
        scene.world.cluster.signal_all(slot, signal.SIGSTOP)
    try:
        with client_of(scene.world.database.uri) as client:
            time.sleep(0.5)  # a claim that was under way is through
            base, since = client[DATABASE], datetime.now(UTC)
            wanted = {
                "blob": {"$exists": True},
                "report_generated": "To Do",
                "fence": 0,
                "received_at": {"$gt": since},
            }
            found: list[dict[str, Any]] = []

            def arrived() -> bool:
                found.extend(base[Collection.SCANS].find(wanted).limit(1))
                return bool(found)

            if not scene.world.wait(arrived, 30):
                scene.demand(False, "chunk-corrupted", "no large scan came")
                return
            scan_id, blob = found[0]["_id"], found[0]["blob"]
            scene.world.bear("errors", [scan_id])
            scene.world.bear("damaged", [scan_id])
            chunk = base[Collection.CHUNKS].find_one({"_id": {"blob": blob, "n": 0}})
            assert chunk is not None
            voxels = bytearray(chunk["voxels"])
            voxels[scene.random.randrange(len(voxels))] ^= 1 << scene.random.randrange(8)
            base[Collection.CHUNKS].update_one(
                {"_id": chunk["_id"]}, {"$set": {"voxels": bytes(voxels)}}
            )
    finally:
        for slot in brains:
            scene.world.cluster.signal_all(slot, signal.SIGCONT)
    scene.healed()
