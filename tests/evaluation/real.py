"""Real images without lesions from installed packages: Colin27 and MNI152."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import nilearn  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from tests.evaluation.matching import mask_dice
from tests.evaluation.reading import Reading, read

COLIN = Path("/usr/share/mricron/templates")
"""Folder of Debian's mricron-data with Colin27 (``ch2``) and its brain (``ch2bet``)."""
MNI = (
    Path(nilearn.__file__).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
)

INTRACRANIAL_ML = (1000.0, 2000.0)
BRAIN_DICE = 0.95


@dataclass(frozen=True, slots=True)
class RealImage:
    """The evaluation of a real image."""

    name: str
    failed: str | None
    lesions: int
    intracranial_ml: float | None
    brain_dice: float | None
    """Dice of the brain mask with a published one; None if either is missing."""
    brain_known: bool
    """Whether a published brain mask exists."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """The goals that it misses."""
        low, high = INTRACRANIAL_ML
        missed = []
        if self.failed is not None:
            missed.append(f"not read: {self.failed}")
        if self.lesions:
            missed.append(f"{self.lesions} lesions found in a healthy brain")
        if self.intracranial_ml is None or not low <= self.intracranial_ml <= high:
            missed.append(f"intracranial volume outside {low:.0f} to {high:.0f} ml")
        if self.brain_known and (self.brain_dice is None or self.brain_dice < BRAIN_DICE):
            missed.append(f"brain mask below a Dice of {BRAIN_DICE}")
        return tuple(missed)


def read_real_images() -> list[RealImage]:
    """Evaluate the images available on this machine."""
    images = [_read("MNI152", MNI, None)]
    if (COLIN / "ch2.nii.gz").exists():
        brain = load(COLIN / "ch2bet.nii.gz")[0] > 0
        images.insert(0, _read("Colin27", COLIN / "ch2.nii.gz", brain))
    return images


def _read(name: str, path: Path, brain: npt.NDArray[np.bool_] | None) -> RealImage:
    voxels, affine = load(path)
    reading = read("t1", voxels, affine)
    return judge(name, reading, brain)


def judge(name: str, reading: Reading, brain: npt.NDArray[np.bool_] | None) -> RealImage:
    """Summarise the analysis of an image without lesions."""
    known = brain is not None and reading.brain is not None
    return RealImage(
        name=name,
        failed=reading.failed,
        lesions=int(np.unique(reading.labels[reading.labels != 0]).size),
        intracranial_ml=reading.volumes_ml.get("intracranial"),
        brain_dice=mask_dice(brain, reading.brain) if known else None,  # type: ignore[arg-type]
        brain_known=brain is not None,
    )


def load(path: Path) -> tuple[npt.NDArray[Any], Any]:
    """Voxels and affine of a NIfTI file."""
    image: Any = nibabel.load(path)
    affine = tuple(tuple(float(cell) for cell in row) for row in image.affine[:3])
    return np.asfortranarray(np.asanyarray(image.dataobj)), affine
