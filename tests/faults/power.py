"""Power loss: mongod is killed, and its disk forgets what was not synced."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.mongods import Mongod
from tests.faults.nemesis import NotHere, Scene
from tests.faults.power_disk import PowerDisk, missing, power_disk
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.store import mongod_of

CUTS = 4


class PoweredMongod(Mongod):
    """A mongod whose data is on a disk that can lose power."""

    def __init__(self, folder: Path, disk: PowerDisk) -> None:
        super().__init__(folder)
        self._disk = disk

    def lose_power(self) -> None:
        """It is gone, and of its data what was not synced."""
        self.kill()
        self._disk.cut()


@contextlib.contextmanager
def powered(folder: Path, *, lies: bool = False) -> Iterator[PoweredMongod]:
    """Such a mongod, not started.

    Args:
        folder: for its data.
        lies: whether its disk ignores every sync.

    Raises:
        NotHere: this machine has no FUSE.
    """
    if lacks := missing():
        raise NotHere(lacks)
    with power_disk(folder / "mongod" / "data", folder / "disk", lies=lies) as disk:
        mongod = PoweredMongod(folder / "mongod", disk)
        try:
            yield mongod
        finally:
            mongod.kill()  # else the disk is in use


@CATALOGUE.add(
    "power-lost", Place.POWER, "power loss: mongod is killed, what it had not synced is gone"
)
def power_lost(scene: Scene) -> None:
    """What was acknowledged was synced."""
    mongod = mongod_of(scene)
    assert isinstance(mongod, PoweredMongod)
    for _ in range(CUTS):
        time.sleep(scene.random.uniform(0.5, 2.0))
        mongod.lose_power()
        mongod.start()
        scene.healed()
