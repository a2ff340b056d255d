"""What a person installs or switches on: analyzers that not all Fr-BRAIN have, and pictures."""

import asyncio
import signal
import time

from common.store.collections import Collection
from common.wire.messages import Ack
from tests.factories import make_scan
from tests.faults.clients import hub_ports
from tests.faults.kills import fire
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.talk import insist
from tests.faults.world import DATABASE

SCANS = 40
PICTURES = 30
_DONE_S = 90.0
_ALONE_S = 3.0


@CATALOGUE.add(
    "other-plug-ins", Place.PEERS, "scans of a type whose analyzer one Fr-BRAIN does not have"
)
def other_plug_ins(scene: Scene) -> None:
    """The other Fr-BRAIN analyses all of them; none fails."""
    world, name = scene.world, scene.pick("fr_pacs")
    lacking = world.slot(scene.pick("fr_brain"))
    others = [slot for slot in world.cluster.of("fr_brain") if slot is not lacking]
    world.cluster.restart(lacking, PYTHONPATH="")
    world.cluster.wait_ready(lacking)
    made = [make_scan(pacs=name, scan_type="counts") for _ in range(SCANS)]
    keys = [scan.key for scan, _ in made]
    world.bear("foreign", keys)

    async def send() -> None:
        for scan, voxels in made:
            answer = await insist(hub_ports(scene)[0], name, scan, voxels)
            scene.demand(isinstance(answer, Ack), scan.key, f"it got {answer!r:.200}")

    # Only the one that lacks it is there: it has its chance to fail them all.
    for slot in others:
        world.cluster.signal_all(slot, signal.SIGSTOP)
    asyncio.run(send())
    time.sleep(_ALONE_S)
    for slot in others:
        world.cluster.signal_all(slot, signal.SIGCONT)

    def states() -> list[str]:
        return [str(state) for state, _ in world.store.queries.states_of(keys).values()]

    world.wait(lambda: not {"To Do", "In Progress"} & set(states()), _DONE_S, 0.25)
    done = states().count("Done")
    scene.demand(done == SCANS, "plug-ins", f"{done} of {SCANS} scans are 'Done'")
    world.cluster.restart(lacking, PYTHONPATH=world.slot("hub-1").settings["PYTHONPATH"])
    scene.healed()


@CATALOGUE.add(
    "pictures", Place.SERVER, "reports with pictures; Fr-BRAIN, Fr-HUB and Fr-PACS are killed"
)
def pictures(scene: Scene) -> None:
    """Each picture that arrives is the one that the stored report names."""
    world = scene.world
    brains = world.cluster.of("fr_brain")
    world.cluster.restart(*brains, BRAIN_PICTURES="1")
    before = len(world.deliveries.read())

    def arrived() -> int:
        return sum(one.picture is not None for one in world.deliveries.read()[before:])

    for unit, point in (("fr_brain", "analysed"), ("fr_hub", "leased"), ("fr_pacs", "received")):
        slot = world.slot(scene.pick(unit))
        fire(scene, slot, f"{unit.removeprefix('fr_')}.{point}")
        scene.healed()
    enough = world.wait(lambda: arrived() >= PICTURES, _DONE_S)
    scene.demand(enough, "pictures", f"{arrived()} reports with a picture arrived")
    world.cluster.restart(*brains, BRAIN_PICTURES="")
    scene.recoveries.wait()
    with client_of(world.database.uri) as client:
        reports = client[DATABASE][Collection.REPORTS]
        for one in world.deliveries.read()[before:]:
            found = reports.find_one({"_id": one.scan_id}, {"report": 1})
            named = None if found is None else found["report"].get("picture_hash")
            good = found is None or one.picture == named
            scene.demand(good, one.scan_id, f"its picture is {one.picture}, stored is {named}")
    scene.row.notes["pictures"] = arrived()
