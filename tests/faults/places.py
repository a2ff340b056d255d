"""The worlds that faults are injected into."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.faults.mongods import Mongod, ReplicaSet
from tests.faults.schedule import Place
from tests.faults.world import GRIDS, PHANTOMS, SHEETS, Load, World


@contextlib.contextmanager
def build(place: Place, folder: Path, bug: str = "") -> Iterator[World]:
    """A world, not started yet; its MongoDB is."""
    with {Place.SERVER: _server, Place.SET: _set, Place.MACHINE: _server}[place](folder, bug) as it:
        yield it


@contextlib.contextmanager
def _server(folder: Path, bug: str) -> Iterator[World]:
    mongod = Mongod(folder / "mongod")
    try:
        mongod.start()
        with _world(folder, mongod, bug) as world:
            yield world
    finally:
        mongod.kill()


@contextlib.contextmanager
def _set(folder: Path, bug: str) -> Iterator[World]:
    members = ReplicaSet(folder / "mongods")
    try:
        members.start()
        with _world(folder, members, bug) as world:
            yield world
    finally:
        members.kill()


@contextlib.contextmanager
def _world(folder: Path, database: Mongod | ReplicaSet, bug: str) -> Iterator[World]:
    loads: list[Load] = [GRIDS, GRIDS, SHEETS, PHANTOMS]
    world = World(folder / "world", database, loads, bug=bug)
    try:
        yield world
    finally:
        world.close()
