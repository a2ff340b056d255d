"""NIfTI files to test with, and why one is refused."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from common.errors import SourceError
from common.formats.nifti.volume_reader import VolumeReader, read_layout
from common.formats.nifti.volumes import NiftiVolume, volumes_of

Save = Callable[..., Path]


def image(data: npt.NDArray[Any], affine: npt.NDArray[Any] | None = None) -> Any:
    made: Any = nib.Nifti1Image(data, np.eye(4) if affine is None else affine)  # type: ignore[no-untyped-call]
    return made


def saver(folder: Path) -> Save:
    """Writes a NIfTI-1 file with these header fields."""

    def write(data: npt.NDArray[Any], name: str = "a.nii", **header: Any) -> Path:
        made = image(data)
        for field, value in header.items():
            made.header[field] = value
        nib.save(made, folder / name)
        return folder / name

    return write


def patched(path: Path, offset: int, form: str, *values: Any) -> Path:
    """The file with header fields overwritten that nibabel would not write so."""
    packed = path.suffix == ".gz"
    data = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    struct.pack_into(form, data, offset, *values)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def volumes_in(path: Path, label: str = "label") -> list[NiftiVolume]:
    """The volumes of a file, read in this process."""
    return volumes_of(*read_layout(path), path, label)


def read_volume(volume: NiftiVolume) -> tuple[npt.NDArray[Any], Any]:
    reader = VolumeReader()
    try:
        return reader.read(volume), volume.layout.affine
    finally:
        reader.close()


def reason(path: Path) -> str:
    """Why the file, or one of its volumes, cannot be read."""
    try:
        for volume in volumes_in(path):
            read_volume(volume)
    except SourceError as error:
        return str(error)
    return pytest.fail("nothing was wrong with it")
