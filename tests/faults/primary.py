"""A replica set of three: its primary killed, stopped, stepped down; its secondaries stopped; and
everything killed together."""

import contextlib
import signal
import time
from datetime import UTC, datetime

from pymongo.errors import AutoReconnect, PyMongoError

from tests.faults.kills import storm
from tests.faults.mongods import Mongod, ReplicaSet, client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place

MOVES_S = 60.0


def set_of(scene: Scene) -> ReplicaSet:
    """The replica set."""
    assert isinstance(scene.world.database, ReplicaSet)
    return scene.world.database


def moved(scene: Scene, old: Mongod) -> None:
    """Wait until another member is the primary."""
    another = scene.world.wait(lambda: set_of(scene).primary() is not old, MOVES_S)
    scene.demand(another, "replica set", "no other primary was elected")


def members_agree(scene: Scene) -> None:
    """Wait until all members are the primary or in step with it: the next fault finds a set."""

    def whole() -> bool:
        try:
            with client_of(set_of(scene).primary().uri, 5) as client:
                members = client.admin.command("replSetGetStatus")["members"]
        except PyMongoError:
            return False
        return sorted(member["state"] for member in members) == [1, 2, 2]

    scene.tell("waiting for all members")
    scene.demand(scene.world.wait(whole, MOVES_S), "replica set", "a member does not come back")


def kill_primary(scene: Scene) -> None:
    """SIGKILL of the primary; another is elected, it comes back."""
    primary = set_of(scene).primary()
    primary.kill()
    primary.start(wait=False)
    scene.healed()
    members_agree(scene)


@CATALOGUE.add("primary-killed", Place.SET, "SIGKILL of the primary, started again")
def primary_killed(scene: Scene) -> None:
    """Started again when another has been elected."""
    primary = set_of(scene).primary()
    primary.kill()
    moved(scene, primary)
    primary.start()
    members_agree(scene)
    scene.healed()


@CATALOGUE.add("primary-stopped", Place.SET, "SIGSTOP of the primary, continued after an election")
def primary_stopped(scene: Scene) -> None:
    """It still believes to be the primary when it continues."""
    primary = set_of(scene).primary()
    primary.signal(signal.SIGSTOP)
    time.sleep(scene.random.uniform(5, 7))
    primary.signal(signal.SIGCONT)
    scene.healed()
    members_agree(scene)


@CATALOGUE.add("primary-stepped-down", Place.SET, "replSetStepDown of the primary")
def primary_stepped_down(scene: Scene) -> None:
    """An election without a loss."""
    for _ in range(2):
        primary = set_of(scene).primary()
        # It closes its connections.
        with client_of(primary.uri) as client, contextlib.suppress(AutoReconnect):
            client.admin.command({"replSetStepDown": 10, "force": True})
        moved(scene, primary)
        scene.healed()
        members_agree(scene)


@CATALOGUE.add("secondaries-stopped", Place.SET, "SIGSTOP of both secondaries, continued")
def secondaries_stopped(scene: Scene) -> None:
    """No majority: nothing is acknowledged; what was written then becomes durable later."""
    secondaries = set_of(scene).secondaries()
    for member in secondaries:
        member.signal(signal.SIGSTOP)
    gone = datetime.now(UTC)
    time.sleep(scene.random.uniform(6, 8))
    scene.world.nothing_durable("both secondaries stood still", gone)
    for member in secondaries:
        member.signal(signal.SIGCONT)
    scene.healed()
    members_agree(scene)


@CATALOGUE.add(
    "writes-rolled-back", Place.SET, "secondaries cut from the oplog, writes made, primary killed"
)
def writes_rolled_back(scene: Scene) -> None:
    """What the primary alone had is gone: whoever had acknowledged it has lied. The secondaries
    still vote, so the primary stays one, and takes writes that never reach a majority."""
    members = set_of(scene)
    primary = members.primary()
    secondaries = members.secondaries()
    for member in secondaries:
        member.fail_point("stopReplProducer", mode="alwaysOn")
    gone = datetime.now(UTC)
    # Longer than two calls of a unit may take: by then it has asked again, and been answered that
    # what it wrote is there.
    time.sleep(scene.random.uniform(11, 13))
    scene.world.nothing_durable("no secondary replicated", gone)
    primary.kill()
    for member in secondaries:
        member.fail_point("stopReplProducer", mode="off")
    moved(scene, primary)
    primary.start()
    scene.healed()
    members_agree(scene)


@CATALOGUE.add(
    "kill-anything", Place.SET, "SIGKILL of any unit and of the primary, in quick succession"
)
def kill_anything(scene: Scene) -> None:
    """Of each unit half of KILLS, of the primary a tenth."""
    units = max(1, scene.kills // 2)
    primaries = max(1, scene.kills // 10)
    for n in range(primaries):
        share = units * (n + 1) // primaries - units * n // primaries
        storm(scene, ["fr_pacs", "fr_hub", "fr_brain"], share)
        kill_primary(scene)
        notes = scene.row.notes
        notes["primaries_killed"] = notes.get("primaries_killed", 0) + 1
