"""The machine under MongoDB: its clock moves, its disk is full."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from common.store.collections import Collection
from tests.faults.kills import fire
from tests.faults.mongods import client_of
from tests.faults.nemesis import NotHere, Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.store import mongod_of
from tests.faults.world import DATABASE, RECOVERS_S
from tests.test_full_disk import fill

DISK_MIB = 640
LEFT = 4 << 20
"""Bytes left free: a moment of load."""

_LIBRARY = "libfaketimeMT.so.1"
_FOLDERS = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime")
_FULL_S = 90.0
_SKEW_S = 600.0
_LOOKED_AT = 20


def faketime() -> Path | None:
    """libfaketime, which Debian's package of that name brings; FAKETIME_LIBRARY names another."""
    named = os.environ.get("FAKETIME_LIBRARY")
    paths = [Path(named)] if named else [Path(folder) / _LIBRARY for folder in _FOLDERS]
    return next((path for path in paths if path.is_file()), None)


def clock_of(folder: Path) -> Mapping[str, str]:
    """The environment of a mongod whose clock hangs on a file in ``folder``; none where there is
    no libfaketime."""
    library = faketime()
    if library is None:
        return {}
    move_clock(folder, "+0")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def move_clock(folder: Path, by: str) -> None:
    """Such as ``+2h``."""
    draft = folder / "clock.new"
    draft.write_text(f"{by}\n")
    draft.rename(folder / "clock")


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """``folder`` as a disk of ``DISK_MIB``; as it is, where it cannot be mounted."""
    folder.mkdir(parents=True)
    mounted = False
    if os.geteuid() == 0 and Path("/bin/mount").exists():
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


def _moved(scene: Scene, by: str) -> None:
    folder = mongod_of(scene).folder
    ahead = 7200 if by == "+2h" else 0
    move_clock(folder, by)
    moved = scene.world.wait(lambda: abs(_ahead(scene) - ahead) < 600, 20, 0.25)
    scene.demand(moved, "clock", f"mongod's clock did not move to {by}")


def _ahead(scene: Scene) -> float:
    """How far mongod's clock is ahead, seconds."""
    with client_of(scene.world.database.uri) as client:
        return float(client.admin.command("hello")["localTime"].timestamp()) - time.time()


@CATALOGUE.add("clock-moved", Place.MACHINE, "mongod's clock moves two hours ahead, and back again")
def clock_moved(scene: Scene) -> None:
    """A Fr-BRAIN that stands still with claims while all leases end at once changes nothing."""
    if not mongod_of(scene).environment:
        raise NotHere("libfaketime is missing (Debian's package libfaketime)")
    stopped = scene.world.slot(scene.pick("fr_brain"))
    pid = fire(scene, stopped, "brain.analysed", "stop")
    _moved(scene, "+2h")
    time.sleep(3)
    if pid:
        os.kill(pid, signal.SIGCONT)
    scene.healed()
    scene.recoveries.wait()
    _moved(scene, "+0")
    scene.healed()


@CATALOGUE.add(
    "skewed-hubs", Place.PEERS, "one Fr-HUB's clock is two hours ahead, the other's two behind"
)
def skewed_hubs(scene: Scene) -> None:
    """The order of the queue is the database's: no scan is older or newer by its hub's clock."""
    library, world = faketime(), scene.world
    if library is None:
        raise NotHere("libfaketime is missing (Debian's package libfaketime)")
    hubs, names = world.cluster.of("fr_hub"), (
        "LD_PRELOAD",
        "FAKETIME",
        "FAKETIME_DONT_FAKE_MONOTONIC",
    )
    for slot, by in zip(hubs, ("+2h", "-2h"), strict=True):
        world.cluster.restart(slot, **dict(zip(names, (str(library), by, "1"), strict=True)))
    world.cluster.wait_ready(*hubs)
    since = {one.pacs: set(one.acknowledged) for one in world.ledgers()}
    scene.healed()
    scene.recoveries.wait()
    fresh = [
        key
        for one in world.ledgers()
        for key in sorted(one.acknowledged.keys() - since[one.pacs])[:_LOOKED_AT]
    ]
    now, off = datetime.now(UTC), 0.0
    with client_of(world.database.uri) as client:
        scans = client[DATABASE][Collection.SCANS]
        for found in scans.find({"_id": {"$in": fresh}}, {"received_at": 1}):
            off = max(off, abs((now - found["received_at"]).total_seconds()))
    scene.row.notes["off_s"] = round(off)
    scene.demand(off < _SKEW_S, "clock", f"a scan was received {off:.0f} s off, says the store")
    world.cluster.restart(*hubs, **dict.fromkeys(names, ""))
    scene.healed()


@CATALOGUE.add("disk-full", Place.MACHINE, "MongoDB's disk is full; space is freed later")
def disk_full(scene: Scene) -> None:
    """mongod ends or stalls: what it acknowledged is there when it has room."""
    mongod = mongod_of(scene)
    if not os.path.ismount(mongod.folder.parent):
        raise NotHere("a small disk needs root and mount")
    filler = fill(mongod.folder.parent, LEFT)
    acknowledged = [scene.world.acknowledged()]

    def full() -> bool:
        if not mongod.runs:
            return True
        acknowledged.append(scene.world.acknowledged())
        return len(acknowledged) > 6 and acknowledged[-1] == acknowledged[-6]

    took_effect = scene.world.wait(full, _FULL_S, 1.0)
    scene.demand(took_effect, "disk", "it did not fill")
    scene.row.notes["mongod"] = "runs" if mongod.runs else "ended"
    filler.unlink()
    stored = scene.world.acknowledged()

    def goes_on() -> bool:
        if not mongod.runs:  # it may have held out until now
            mongod.kill()
            mongod.start()
        return scene.world.acknowledged() > stored

    scene.demand(scene.world.wait(goes_on, RECOVERS_S, 0.5), "disk", "nothing is stored again")
    scene.healed()
