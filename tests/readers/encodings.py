"""Generated inputs of encodings that hold a volume in one file."""

from collections.abc import Callable
from pathlib import Path

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


ENCODINGS: dict[str, Make] = {
    "mosaic": _mosaics(Mosaic(), 9),
    "mosaic with empty tiles": _mosaics(Mosaic(), 10),
    "oblique mosaic": _mosaics(tilted(20), 12),
    "descending mosaic": _mosaics(Mosaic(descending=True), 7),
    "sagittal mosaic": _mosaics(Mosaic(row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0)), 16),
    "series of mosaics": _mosaics(Mosaic(), 9, 9, 9),
    "mosaic without its image type": _mosaics(Mosaic(), 9, ImageType=["ORIGINAL", "PRIMARY"]),
}
