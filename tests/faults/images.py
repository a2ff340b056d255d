"""Files as a source: a folder of NIfTI images, whose sender is killed in the middle."""

from pathlib import Path

import nibabel as nib
import numpy as np

from common.domain.types import hash_voxels
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.truth import Truth

IMAGES = 24
_SHAPE = (24, 20, 16)
_ENDS_S = 180.0
_SOME = 5


def make_images(folder: Path, seed: int) -> dict[str, Truth]:
    """Write images of random int16 voxels; the truth of each, by its name."""
    folder.mkdir()
    draw = np.random.Generator(np.random.PCG64(seed))
    truths = {}
    for n in range(IMAGES):
        voxels = draw.integers(0, 1000, _SHAPE, dtype="<i2")
        name = f"image-{n:02}.nii{'.gz' if n % 2 else ''}"
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / name)  # type: ignore[no-untyped-call]
        truths[name] = Truth(hash_voxels(voxels.tobytes(order="F")))
    return truths


@CATALOGUE.add(
    "files", Place.SERVER, "a folder of NIfTI images is sent; its sender is killed and goes on"
)
def files(scene: Scene) -> None:
    """It ends in order once each image has its report, and each report is about its image."""
    world = scene.world
    slot, ledger = world.slot("files"), world.readers["files"]
    world.truths.labelled.update(make_images(world.folder / "images", scene.random.randrange(1000)))
    world.cluster.start(slot)
    sent = world.wait(lambda: len(ledger.read().acknowledged) >= _SOME, _ENDS_S / 2)
    scene.demand(sent, "files", "no image is acknowledged")
    world.cluster.kill(slot)
    scene.healed()
    world.cluster.start(slot)
    ended = world.wait(lambda: not slot.wanted, _ENDS_S)
    scene.demand(ended, "files", f"its sender has not ended after {_ENDS_S:.0f} s")
    code = None if slot.process is None else slot.process.poll()
    scene.demand(code == 0, "files", f"its sender ended with exit code {code}: see its log")
    names = {
        world.truths.label_of(scan_id)
        for scan_id in ledger.read().reported
        if world.truths.label_of(scan_id)
    }
    scene.demand(len(names) == IMAGES, "files", f"{len(names)} of {IMAGES} images have a report")
