"""The worlds that faults are injected into."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.ecgs import LOADS as ECGS
from tests.faults.fairness import BATCH
from tests.faults.loads import GRIDS, PHANTOMS, SHEETS, Load
from tests.faults.machine import clock_of, small_disk
from tests.faults.mongods import Mongod, ReplicaSet
from tests.faults.old import OLD_SCANS, fill
from tests.faults.poisonous import install
from tests.faults.power import powered
from tests.faults.rate import CALM
from tests.faults.schedule import Place, Security
from tests.faults.world import DATABASE, World

LOADS: tuple[Load, ...] = (GRIDS, GRIDS, SHEETS, PHANTOMS)

WEBS = 2
"""Instances of the API in the world that has them."""


@contextlib.contextmanager
def build(
    place: Place,
    folder: Path,
    security: Security = Security.NONE,
    bug: str = "",
    loads: tuple[Load, ...] = LOADS,
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
        elif place is Place.POWER:
            database = stack.enter_context(powered(folder))
        else:
            database = Mongod(folder / "mongod")
        settings: dict[str, Any] = {"PYTHONPATH": str(install(folder))}
        if place is Place.RATE:
            loads, settings = (CALM, CALM), {**settings, "BRAIN_BATCH": str(BATCH)}
        if place is Place.ECGS:
            loads = ECGS
        if place is Place.WEB:
            loads = loads[:2]
        stack.callback(database.kill)
        database.start()
        old = fill(database.uri, DATABASE, OLD_SCANS) if place is Place.OLD else frozenset()
        world = World(
            folder / "world",
            database,
            loads,
            webs=WEBS if place is Place.WEB else 0,
            bug=bug,
            security=security,
            **settings,
        )
        stack.callback(world.close)
        world.bear("foreign", old)
        world.bear("delivered_before", old)
        yield world
