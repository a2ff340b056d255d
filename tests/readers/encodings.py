"""Generated inputs of encodings that hold a volume in one file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom.tag import Tag

from tests.common.formats.dicom import multiframe_files as multiframe
from tests.common.formats.dicom.mosaic_files import Mosaic, content, tilted
from tests.readers.volumes import Volume

Make = Callable[[Path], list[Volume]]
"""Writes an input into a folder, and says what should come of it."""


def _mosaics(mosaic: Mosaic, *counts: int, **fields: object) -> Make:
    """Siemens mosaics of these numbers of slices."""

    def make(folder: Path) -> list[Volume]:
        folder.mkdir(parents=True)
        made = []
        for n, count in enumerate(counts, 1):
            image = content(count, n)
            numbers = {"InstanceNumber": n, "AcquisitionNumber": n}
            mosaic.write(folder / f"{n}.dcm", image, None, **numbers, **fields)
            made.append(Volume(image, mosaic.affine()))
        return made

    return make


def _frames(step: float = 3.5, **fields: Any) -> Make:
    """A classic multi-frame file."""

    def make(folder: Path) -> list[Volume]:
        folder.mkdir(parents=True)
        image = multiframe.voxels(10)
        multiframe.write(folder / "a.dcm", image, step, **fields)
        return [Volume(image, multiframe.affine(step))]

    return make


def _film(folder: Path) -> list[Volume]:
    """Frames of one place, one after the other: no volume."""
    _frames(FrameIncrementPointer=Tag("FrameTime"), FrameTime=40)(folder)
    return []


def _reconstruction(step: float = 3.5) -> Make:
    """A reconstruction of nuclear medicine."""

    def make(folder: Path) -> list[Volume]:
        folder.mkdir(parents=True)
        image = multiframe.voxels(10)
        multiframe.write_nuclear(folder / "a.dcm", image, step)
        return [Volume(image, multiframe.affine(step))]

    return make


ENCODINGS: dict[str, Make] = {
    "mosaic": _mosaics(Mosaic(), 9),
    "mosaic with empty tiles": _mosaics(Mosaic(), 10),
    "oblique mosaic": _mosaics(tilted(20), 12),
    "descending mosaic": _mosaics(Mosaic(descending=True), 7),
    "sagittal mosaic": _mosaics(Mosaic(row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0)), 16),
    "series of mosaics": _mosaics(Mosaic(), 9, 9, 9),
    "mosaic without its image type": _mosaics(Mosaic(), 9, ImageType=["ORIGINAL", "PRIMARY"]),
    "classic multi-frame": _frames(),
    "multi-frame secondary capture": _frames(sop_class=multiframe.CAPTURE),
    "film": _film,
    "reconstruction of nuclear medicine": _reconstruction(),
    "reconstruction from the top": _reconstruction(-3.5),
}
