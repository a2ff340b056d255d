"""ECGs instead of images: another kind of scan, another analyzer, the same promises."""

from tests.faults.kills import storm
from tests.faults.loads import Load
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.store import mongod_of

LOADS = (Load("ecg", "5000x12", 1), Load("ecg", "150000x3", 0.2))
"""Ten seconds of 12 leads, which are in the scan's document, and five minutes of three, in
chunks. Two cores that do nothing else make and analyse 7 and 2 a second; the checker analyses each
once more."""

KILLS = 4
"""Of each unit, at most: all within some seconds."""


@CATALOGUE.add("ecgs", Place.ECGS, "ECGs are sent; units and mongod are killed")
def ecgs(scene: Scene) -> None:
    """Each has one report, with the crossings and measures of the samples that were sent."""
    storm(scene, ["fr_pacs", "fr_hub", "fr_brain"], min(KILLS, scene.kills))
    mongod = mongod_of(scene)
    mongod.kill()
    mongod.start()
    scene.healed()
