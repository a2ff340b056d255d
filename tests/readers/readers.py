"""The readers that are compared: Fr's, dcm2niix, nibabel."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np

from common.errors import SourceError
from common.scan_files.files import FileSource
from tests.readers.volumes import Volume

_WAIT_S = 120


def read_with_fr(path: Path) -> tuple[list[Volume], list[str]]:
    """The volumes that Fr makes of a file or folder, and what it says of the rest."""
    volumes: list[Volume] = []
    told: list[str] = []
    try:
        source = FileSource(path, pacs="readers")
    except SourceError as error:
        return [], [str(error)]
    for task in source:
        try:
            loaded = task.load()
        except SourceError as error:
            told.append(str(error))
            continue
        affine = loaded.scan.affine
        four = None if affine is None else np.vstack([affine, [0, 0, 0, 1]])
        volumes.append(Volume(loaded.scan.array(loaded.voxels), four))
    return volumes, told


def read_with_dcm2niix(path: Path) -> list[Volume]:
    """The volumes that dcm2niix makes of a DICOM file or folder.

    Without those of one voxel, which it writes for objects without an image, and without overlays
    (``_ROI``).
    """
    with TemporaryDirectory() as folder:
        run_dcm2niix(path, Path(folder))
        return [
            volume
            for image in sorted(Path(folder).rglob("*.nii"))
            if "_ROI" not in image.name
            for volume in read_with_nibabel(image)
            if volume.values.size > 1
        ]


def run_dcm2niix(path: Path, folder: Path) -> None:
    """Let dcm2niix write what it makes of a DICOM file or folder into another folder."""
    program = Path(sys.executable).parent / "dcm2niix"
    single = ("-s", "y") if path.is_file() else ()
    command = [str(program), *single, "-z", "n", "-b", "n", "-f", "%s_%d", "-o", str(folder)]
    subprocess.run([*command, str(path)], capture_output=True, timeout=_WAIT_S, check=False)


def read_with_nibabel(path: Path) -> list[Volume]:
    """The volumes that nibabel reads from an image; none if it refuses it."""
    try:
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)  # type: ignore[attr-defined]
        affine = np.array(image.affine)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - whatever it raises is its refusal
        return []
    if data.dtype.kind not in "iuf":
        return []
    data = data.reshape((*data.shape, 1, 1)[: max(3, data.ndim)])
    data = data.reshape((*data.shape[:3], -1), order="F")
    return [Volume(data[..., number], affine) for number in range(data.shape[3])]
