"""The API: its processes killed in the middle of uploads and under those who watch, and the
database under them."""

import contextlib
import time
from collections.abc import Callable, Iterator

from tests.faults import points
from tests.faults.kills import fire
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.slow_clients import SlowClients
from tests.faults.store import mongod_of
from tests.faults.uploads import Uploads, headers_of
from tests.faults.watchers import DONE, Watching, unseen
from tests.faults.world import RECOVERS_S
from tests.running import listens

WATCHERS = 30
KILLS = 4
"""Of an instance of the API under its watchers."""

SLOW = 15
"""Clients of each kind that read or send a little now and then."""

KNOWN_S = RECOVERS_S
"""Each watcher knows the state of a scan within this: a bound, not a measure."""

_SETTLED_S = 2.0


def _pointed(point: str) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        slot = scene.world.slot(scene.pick("fr_web"))
        with Uploads(scene):
            if fire(scene, slot, point, "kill", scene.random.randint(1, 8)):
                slot.kills += 1
                scene.healed()

    return act


for _point in points.POINTS["fr_web"]:
    CATALOGUE.add(
        f"at-{_point}", Place.WEB, f"the API is killed in an upload, at the point {_point}"
    )(_pointed(_point))


@CATALOGUE.add("uploads-mongodb-killed", Place.WEB, "SIGKILL of mongod under uploads to the API")
def uploads_mongodb_killed(scene: Scene) -> None:
    """What was answered with 201 is there, once."""
    mongod = mongod_of(scene)
    with Uploads(scene) as uploads:
        for _ in range(3):
            time.sleep(scene.random.uniform(1.0, 2.0))
            mongod.kill()
            mongod.start()
            scene.healed()
        before = len(uploads.acknowledged)
        scene.world.wait(lambda: len(uploads.acknowledged) > before, KNOWN_S)


@CATALOGUE.add(
    "web-killed",
    Place.WEB,
    "SIGKILL of the API under watchers, slow readers, slow uploads; of Fr-HUB and Fr-BRAIN, too",
    long=True,
)
def web_killed(scene: Scene) -> None:
    """Watchers go on at any instance without a gap, or are told ``reset``."""
    world, cluster = scene.world, scene.world.cluster
    headers = headers_of(world, "watcher")
    watching = Watching(world, headers, WATCHERS, scene.random.randrange(1 << 30))
    slow = SlowClients(world, headers_of(world, "slow"), SLOW)
    with Uploads(scene), watching.running(), slow.running():
        ready = world.wait(lambda: all(one.view for one in watching.watched), KNOWN_S)
        scene.demand(ready, "web-killed", "the watchers' streams do not begin")
        for n in range(KILLS):
            time.sleep(scene.random.uniform(1.0, 3.0))
            _serves(scene)
            cluster.kill(world.slot(scene.pick("fr_web")), with_processors=False)
            if n % 2:
                cluster.kill(world.slot(scene.pick(("fr_hub", "fr_brain")[n // 2 % 2])))
            scene.healed()
        _serves(scene)
        codes = cluster.restart(world.slot(scene.pick("fr_web")))
        scene.demand(codes == [0], "web-killed", f"SIGTERM under watchers: exit codes {codes}")
        _all_know(scene, watching)
    for number, key in list(unseen(watching.watched))[:20]:
        scene.demand(False, key, f"watcher {number} was not told that it is done, nor of a reset")
    connections = [one.connections for one in watching.watched]
    scene.demand(min(connections) > 1, "web-killed", "a watcher did not connect again")
    scene.row.notes.update(
        connections=sum(connections),
        resets=sum(one.resets for one in watching.watched),
        told=sum(len(one.done) for one in watching.watched),
        slow=slow.connections,
    )


def _serves(scene: Scene) -> None:
    """Wait until each instance answers: to kill one that is just starting proves nothing."""
    serves = scene.world.wait(lambda: all(map(listens, scene.world.web_ports)), KNOWN_S)
    scene.demand(serves, "web", "the API does not start again")


def _all_know(scene: Scene, watching: Watching) -> None:
    """What is done now, each watcher knows to be done."""
    time.sleep(_SETTLED_S)
    done = {key for key, state in watching._states({}).items() if state == DONE}

    def wrong() -> Iterator[tuple[int, str]]:
        for number, one in enumerate(watching.watched):
            for key in done:
                if one.view.get(key) != DONE:
                    yield number, key

    scene.world.wait(lambda: next(wrong(), None) is None, KNOWN_S, 0.5)
    for number, key in list(wrong())[:20]:
        with contextlib.suppress(KeyError):
            state = watching.watched[number].view.get(key)
            scene.demand(False, key, f"it is done, and watcher {number} knows it as {state}")
