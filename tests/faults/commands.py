"""Commands of a person in the middle of load, beside units that are killed."""

import signal
import subprocess
import sys
import time

from common.domain.states import PURGED
from common.store.collections import Collection
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.store import mongod_of
from tests.faults.world import DATABASE, RECOVERS_S
from tests.processes import ROOT, environment

ENDS_S = 90.0
MEETINGS = 3
AGAIN = 100
"""Scans that are analysed again."""


def _command(scene: Scene, module: str, **given: str) -> subprocess.Popen[bytes]:
    settings = {"MONGODB_URI": scene.world.database.uri, "MONGODB_DATABASE": DATABASE, **given}
    return subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@CATALOGUE.add(
    "retention", Place.SERVER, "retention under load; the command, Fr-HUB and Fr-BRAIN are killed"
)
def retention(scene: Scene) -> None:
    """Only of what was delivered, and the next run takes what a killed one left."""
    cluster = scene.world.cluster
    given = {"RETENTION_DAYS": "0.00002", "APPLY": "1"}  # delivered two seconds ago
    try:
        for unit in ("fr_hub", "fr_brain"):
            command = _command(scene, "common.commands.retention", **given)
            time.sleep(scene.random.uniform(0.5, 2.0))
            cluster.kill(scene.world.slot(scene.pick(unit)))
            command.send_signal(signal.SIGKILL)
            command.wait(10)
            scene.healed()
        code = _command(scene, "common.commands.retention", **given).wait(ENDS_S)
        scene.demand(code == 0, "retention", f"it ended with exit code {code}")
    finally:
        with client_of(scene.world.database.uri) as client:
            gone = client[DATABASE][Collection.SCANS].find({"voxels_gone_at": {"$exists": True}})
            taken = {found["_id"]: found["report_generated"] for found in gone}
        scene.world.bear("damaged", taken)
    scene.row.notes["taken"] = len(taken)
    scene.demand(taken, "retention", "it took nothing")
    delivered = set().union(*(one.reported for one in scene.world.ledgers()))
    delivered |= scene.world.expected.foreign  # of which there is no ledger
    for scan_id, state in taken.items():
        good = state == "Done" and scan_id in delivered
        scene.demand(good, scan_id, f"its voxels went, it is {state!r} or was not delivered")


@CATALOGUE.add(
    "retention-reanalyze",
    Place.SERVER,
    "retention of everything and reanalysis of the same scans, forced to meet",
)
def retention_reanalyze(scene: Scene) -> None:
    """Each scan is gone with its report, or is analysed again: none is left to do without voxels.

    Deletes are slow meanwhile, so that scans are scheduled while their chunks are deleted.
    """
    world, mongod = scene.world, mongod_of(scene)
    given = {"RETENTION_DAYS": "0.00002", "RETENTION_WHAT": "all", "APPLY": "1"}
    scheduled: set[str] = set()
    for _ in range(MEETINGS):
        keep = world.expected.errors | world.expected.damaged | world.expected.foreign | scheduled
        reported = set().union(*(one.reported for one in world.ledgers())) - keep
        ids = [key for key in sorted(reported) if key.endswith(("@pacs-3", "@pacs-4"))][:AGAIN]
        scheduled.update(ids)
        mongod.fail(16, failCommands=["delete"], blockConnection=True, blockTimeMS=400)
        running = [_command(scene, "common.commands.retention", **given)]
        time.sleep(scene.random.uniform(0.2, 0.6))
        # Its exit code says that some are gone, which is right.
        running.append(_command(scene, "fr_brain.commands.reanalyze", ID=",".join(ids)))
        for command in running:
            command.wait(ENDS_S)
        mongod.fail_no_more()
        scene.healed()

    def left() -> list[str]:
        states = world.store.queries.states_of(sorted(scheduled))
        return [key for key, (state, _) in states.items() if state in ("To Do", "In Progress")]

    world.wait(lambda: not left(), RECOVERS_S, 0.5)
    for key in left():
        scene.demand(False, key, "it was scheduled, and is still to do")
    with client_of(world.database.uri) as client:
        purged = client[DATABASE][Collection.SCANS].find({"report_generated": PURGED}, {"_id": 1})
        gone = [found["_id"] for found in purged]
    world.bear("damaged", gone)
    scene.row.notes.update(gone=len(gone), scheduled=len(scheduled))
    scene.demand(gone, "retention", "it took nothing")


@CATALOGUE.add(
    "reanalyze",
    Place.SERVER,
    "scans are reanalysed under load; the command, Fr-HUB and Fr-BRAIN are killed",
)
def reanalyze(scene: Scene) -> None:
    """Each has one report of its last revision, and Fr-PACS has that one, once."""
    world = scene.world
    keep = world.expected.errors | world.expected.damaged | world.expected.foreign
    # A Fr-PACS that sent files once does not run any more, so nothing can be delivered to it.
    running = [one for one in world.ledgers() if one.endless]
    ids = sorted(set().union(*(one.reported for one in running)) - keep)[:AGAIN]
    for unit in ("fr_brain", "fr_hub"):
        command = _command(scene, "fr_brain.commands.reanalyze", ID=",".join(ids))
        time.sleep(scene.random.uniform(0.5, 2.0))
        world.cluster.kill(world.slot(scene.pick(unit)))
        command.send_signal(signal.SIGKILL)
        command.wait(10)
        scene.healed()
    code = _command(scene, "fr_brain.commands.reanalyze", ID=",".join(ids)).wait(ENDS_S)
    scene.demand(code == 0, "reanalyze", f"it ended with exit code {code}")

    def missing() -> list[str]:
        """Those whose last report is not there."""
        news = set().union(*(one.news for one in world.ledgers()))
        found = {one.key: one for one in world.store.revisions.revisions_of(ids)}
        return [
            scan_id
            for scan_id in ids
            if (one := found.get(scan_id)) is None
            or one.revision < 2
            or one.report != one.revision
            or (scan_id, one.revision) not in news
        ]

    world.wait(lambda: not missing(), RECOVERS_S, 0.5)
    for scan_id in missing():
        scene.demand(False, scan_id, "the report of its last revision did not come")
    scene.row.notes["again"] = len(ids)
