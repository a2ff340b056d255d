"""The links between Fr-PACS and Fr-HUB, both ways: reset, held, slow, cut, bits flipped."""

import time

from tests.faults.nemesis import Scene
from tests.faults.proxy import DOWN, UP, Proxy
from tests.faults.schedule import CATALOGUE, Place

FRAME = 900
"""About the bytes of a small scan's frame, so that cuts fall anywhere in one."""


def _links(scene: Scene) -> list[Proxy]:
    return [*scene.world.to_hub.values(), *scene.world.to_pacs.values()]


def _calm(scene: Scene) -> None:
    for link in _links(scene):
        link.set()
    scene.healed()


def _cut(scene: Scene, *, reset: bool) -> None:
    for link in _links(scene):
        # Past the greeting, at any byte of any frame.
        link.set(cut_after=scene.random.randrange(100, 60 * FRAME), reset=reset)
        link.reset_all()
    time.sleep(4)
    scene.demand(any(link.cut for link in _links(scene)), "links", "no connection was cut")
    _calm(scene)


@CATALOGUE.add("link-reset", Place.SERVER, "links reset in the middle of a frame, again and again")
def link_reset(scene: Scene) -> None:
    """RST at any byte."""
    _cut(scene, reset=True)


@CATALOGUE.add("link-cut", Place.SERVER, "links closed in the middle of a frame (truncated)")
def link_cut(scene: Scene) -> None:
    """FIN at any byte."""
    _cut(scene, reset=False)


@CATALOGUE.add("half-open", Place.SERVER, "links that look alive and carry nothing")
def half_open(scene: Scene) -> None:
    """One way, or both, for longer than a connection may be silent."""
    for link in _links(scene):
        link.set(hold=scene.random.choice([(UP,), (DOWN,), (UP, DOWN)]))
    time.sleep(8)
    _calm(scene)


@CATALOGUE.add("slow-link", Place.SERVER, "links that carry 16 KiB a second")
def slow_link(scene: Scene) -> None:
    """Less than what is to be sent."""
    for link in _links(scene):
        link.set(bytes_s=16 * 1024)
    time.sleep(6)
    _calm(scene)


@CATALOGUE.add("answers-lost", Place.SERVER, "acknowledgements lost on their way, then a reset")
def answers_lost(scene: Scene) -> None:
    """Who sent sends again; who received knows it."""
    for link in _links(scene):
        link.set(swallow=(DOWN,))
    time.sleep(2)
    for link in _links(scene):
        link.set(refuse=True)
        link.reset_all()
    _calm(scene)


@CATALOGUE.add("bits-flipped", Place.SERVER, "one bit in about 20 KB of traffic is flipped")
def bits_flipped(scene: Scene) -> None:
    """Headers, voxels, greetings, acknowledgements of reports: all upwards."""
    for link in _links(scene):
        link.set(flip_every=20_000)
    time.sleep(6)
    flipped = sum(link.flipped for link in _links(scene))
    scene.row.notes["bits_flipped"] = scene.row.notes.get("bits_flipped", 0) + flipped
    scene.demand(flipped, "links", "no bit was flipped")
    _calm(scene)
