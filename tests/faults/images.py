"""Files as a source: a folder of NIfTI images, whose sender is killed in the middle."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from common.domain.types import hash_voxels
from common.store.collections import Collection
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.truth import Truth
from tests.faults.world import World

IMAGES = 24
COPIES = 6
_SHAPE = (24, 20, 16)
_ENDS_S = 180.0
_SOME = 5
_KILLS = 8
LINE_BYTES = 120
"""About as long as a line of the ledger."""


def make_images(folder: Path, seed: int, name: str = "image", copies: int = 0) -> dict[str, Truth]:
    """Write images of random int16 voxels; the truth of each, by its name.

    Args:
        folder: made if it is missing.
        seed: of the voxels.
        name: with which the names begin.
        copies: how many of the images are written a second time, under another name.
    """
    folder.mkdir(exist_ok=True)
    draw = np.random.Generator(np.random.PCG64(seed))
    truths = {}
    for n in range(IMAGES):
        voxels = draw.integers(0, 1000, _SHAPE, dtype="<i2")
        path = folder / f"{name}-{n:02}.nii{'.gz' if n % 2 else ''}"
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)  # type: ignore[no-untyped-call]
        truths[path.name] = Truth(hash_voxels(voxels.tobytes(order="F")))
        if n < copies:
            copy = path.with_name(f"copy-of-{path.name}")
            shutil.copy(path, copy)
            truths[copy.name] = truths[path.name]
    return truths


@CATALOGUE.add(
    "files", Place.SERVER, "a folder of NIfTI images is sent; its sender is killed and goes on"
)
def files(scene: Scene) -> None:
    """It ends in order once each image has its report, and each report is about its image."""
    world = scene.world
    slot, ledger = world.slot("files"), world.readers["files"]
    truths = make_images(_folder(world), scene.random.randrange(1000))
    world.truths.labelled.update(truths)
    world.cluster.start(slot)
    sent = world.wait(lambda: len(ledger.read().acknowledged) >= _SOME, _ENDS_S / 2)
    scene.demand(sent, "files", "no image is acknowledged")
    world.cluster.kill(slot)
    scene.healed()
    world.cluster.start(slot)
    _ends(scene)
    is_once(scene, truths)


@CATALOGUE.add(
    "files-killed",
    Place.SERVER,
    "a folder of images and copies of some is sent; its sender is killed again and again",
)
def files_killed(scene: Scene) -> None:
    """Whenever it is killed, there are as many scans and reports as distinct images."""
    world = scene.world
    slot, path = world.slot("files"), world.folder / "files.jsonl"
    seed = 1000 + scene.random.randrange(1000)
    truths = make_images(_folder(world), seed, "again", COPIES)
    world.truths.labelled.update(truths)
    for _ in range(_KILLS):
        enough = size_of(path) + LINE_BYTES * scene.random.randrange(1, 2 * IMAGES)
        world.cluster.start(slot)
        world.wait(lambda: size_of(path) >= enough or not slot.wanted, _ENDS_S / 2)  # noqa: B023
        world.cluster.kill(slot)
    scene.healed()
    for _ in range(2):  # the second run finds everything known
        world.cluster.start(slot)
        _ends(scene)
    is_once(scene, truths)


def _folder(world: World) -> Path:
    """The folder that the sender reads, without the images of an earlier fault: retention may have
    removed their reports since, and then no run with them ends in order."""
    folder = world.folder / "images"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def size_of(path: Path) -> int:
    """Of a ledger, bytes; 0 while there is none."""
    return path.stat().st_size if path.exists() else 0


def _ends(scene: Scene) -> None:
    """Its sender ends in order: each image has its report."""
    world, slot = scene.world, scene.world.slot("files")
    ended = world.wait(lambda: not slot.wanted, _ENDS_S)
    scene.demand(ended, "files", f"its sender has not ended after {_ENDS_S:.0f} s")
    code = None if slot.process is None else slot.process.poll()
    scene.demand(code == 0, "files", f"its sender ended with exit code {code}: see its log")


def is_once(scene: Scene, truths: dict[str, Truth]) -> None:
    """Each distinct image is one scan with one report."""
    world = scene.world
    wanted = sorted({truth.voxels_hash for truth in truths.values()})
    for what, found in (("scans", _stored(world, wanted)), ("reports", reported(world, wanted))):
        scene.demand(
            found == wanted, "files", f"{len(found)} {what} of {len(wanted)} distinct images"
        )


def _stored(world: World, hashes: list[str]) -> list[str]:
    query = {"scan.pacs": "files", "scan.voxels_hash": {"$in": hashes}}
    scans = world.store.connection.database[Collection.SCANS]
    return sorted(one["scan"]["voxels_hash"] for one in scans.find(query, {"scan": 1}))


def reported(world: World, hashes: list[str]) -> list[str]:
    query = {"pacs": "files", "status": True, "report.voxels_hash": {"$in": hashes}}
    reports = world.store.connection.database[Collection.REPORTS]
    return sorted(one["report"]["voxels_hash"] for one in reports.find(query, {"report": 1}))
