"""Folders of images to test with, and what becomes of each file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom

from common.errors import SourceError
from common.scan_files.files import FileSource

DICOM = Path(pydicom.__file__).parent / "data" / "test_files"


CT = DICOM / "dicomdirtests/98892001/CT5N"


EXAMPLE_4D = Path(nib.__file__).parent / "tests" / "data" / "example4d.nii.gz"


Save = Callable[..., Path]


def saver(folder: Path) -> Save:
    """Writes NIfTI files of 2 x 3 x 4 voxels, unless others are given, into ``folder``."""

    def write(name: str = "a.nii", data: npt.NDArray[Any] | None = None) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4) if data is None else data
        image = nib.Nifti1Image(voxels, np.diag([1, 2, 3, 1]))  # type: ignore[no-untyped-call]
        nib.save(image, path)
        return path

    return write


def outcomes(path: Path, **options: Any) -> dict[str, str]:
    """What becomes of each task, by label: 'sent', or why not."""
    outcome = {}
    for task in FileSource(path, pacs="site-a", **options):
        try:
            task.load()
            outcome[task.label] = "sent"
        except SourceError as error:
            outcome[task.label] = str(error)
    return outcome
