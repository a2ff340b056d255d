"""The worlds that faults are injected into."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.machine import clock_of, small_disk
from tests.faults.mongods import Mongod, ReplicaSet
from tests.faults.poisonous import install
from tests.faults.schedule import Place
from tests.faults.world import GRIDS, PHANTOMS, SHEETS, Load, World

LOADS: tuple[Load, ...] = (GRIDS, GRIDS, SHEETS, PHANTOMS)

Build = Callable[[Place, Path], contextlib.AbstractContextManager[World]]


@contextlib.contextmanager
def build(
    place: Place, folder: Path, bug: str = "", loads: tuple[Load, ...] = LOADS
) -> Iterator[World]:
    """A world, not started yet; its MongoDB is."""
    with contextlib.ExitStack() as stack:
        database: Mongod | ReplicaSet
        if place is Place.SET:
            database = ReplicaSet(folder / "mongods")
        elif place is Place.MACHINE:
            disk = folder / "disk"
            stack.enter_context(small_disk(disk))
            (disk / "mongod").mkdir()
            database = Mongod(disk / "mongod", environment=clock_of(disk / "mongod"))
        else:
            database = Mongod(folder / "mongod")
        stack.callback(database.kill)
        database.start()
        analyzers = install(folder)
        world = World(folder / "world", database, loads, bug=bug, PYTHONPATH=str(analyzers))
        stack.callback(world.close)
        yield world
