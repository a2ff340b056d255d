"""Generated inputs of encodings that hold a volume in one file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import generate_uid

from tests.common.formats.dicom import multiframe_files as multiframe
from tests.common.formats.dicom import scaling_files as scaling
from tests.common.formats.dicom.mosaic_files import Mosaic, content, tilted
from tests.readers.volumes import Volume

Array = npt.NDArray[Any]
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


def _classic(
    change: Callable[[int, Dataset], object], value: Callable[[int, Array], Array]
) -> Make:
    """A series of one file a slice, each changed; the value of each slice as it should be read."""

    def make(folder: Path) -> list[Volume]:
        folder.mkdir(parents=True)
        image, series = multiframe.voxels(10), generate_uid()
        for k in range(10):
            place = list(multiframe.FIRST)
            place[2] += 3.5 * k
            fields: dict[str, Any] = {
                "ImagePositionPatient": place,
                "SeriesInstanceUID": series,
                "InstanceNumber": k + 1,
                "NumberOfFrames": None,
            }
            path = multiframe.write(folder / f"{k}.dcm", image[:, :, k : k + 1], 3.5, **fields)
            scaling.edit(path, partial(change, k))
        read = [value(k, image[:, :, k]) for k in range(10)]
        return [Volume(np.stack(read, axis=2), multiframe.affine(3.5))]

    return make


def _rescaled(slope: float, intercept: float = 0.0, **others: object) -> Callable[..., None]:
    def change(_k: int, data: Dataset) -> None:
        data.RescaleSlope, data.RescaleIntercept = slope, intercept
        for keyword, value in others.items():
            setattr(data, keyword, value)

    return change


def _philips(k: int, data: Dataset) -> None:
    data.RescaleSlope, data.RescaleIntercept = 1.5 + k / 4, 0
    scaling.add_philips(data, 0.25)


def _philips_alike(_k: int, data: Dataset) -> None:
    data.RescaleSlope, data.RescaleIntercept = 1.5, -3
    scaling.add_philips(data, 0.25)


def _mapped(_k: int, data: Dataset) -> None:
    data.RealWorldValueMappingSequence = [scaling.real_world(0.5, 1.0)]


def _comma(_k: int, data: Dataset) -> None:
    tag = Tag("RescaleSlope")
    data[tag] = RawDataElement(tag, "DS", 4, b"0,5 ", 0, False, True)


def _palette(folder: Path) -> list[Volume]:
    """Numbers of colours are no intensities."""
    _frames(PhotometricInterpretation="PALETTE COLOR")(folder)
    return []


def _table(_k: int, data: Dataset) -> None:
    data.ModalityLUTSequence = [scaling.lut(0, [(n * 7) % 5000 for n in range(4000)])]


def _enhanced(*parts: int, philips: bool = False, growth: float = 0.25) -> Make:
    """An enhanced file whose frames have a scaling each, or a concatenation of several."""

    def of_frame(begin: int, number: int, frame: Dataset) -> None:
        k = begin + number
        scaling.transformed(frame, 1 + k * growth, k * growth)
        if philips:
            scaling.measured(frame, 0.5)

    def make(folder: Path) -> list[Volume]:
        folder.mkdir(parents=True)
        image, series, source = multiframe.voxels(sum(parts)), generate_uid(), generate_uid()
        begin = 0
        for number, count in enumerate(parts, 1):
            concatenation: dict[str, Any] = {
                "ConcatenationUID": source,
                "InConcatenationNumber": number,
                "InConcatenationTotalNumber": len(parts),
                "ConcatenationFrameOffsetNumber": begin,
            }
            scaling.write_enhanced(
                folder / f"{number}.dcm",
                image[:, :, begin : begin + count],
                first=begin,
                of_frame=partial(of_frame, begin),
                SeriesInstanceUID=series,
                **(concatenation if len(parts) > 1 else {}),
            )
            begin += count
        k = np.arange(sum(parts))
        slopes = 1 + k * growth
        values = image * slopes + k * growth
        values = values / (slopes * 0.5) if philips else values
        return [Volume(values, multiframe.affine(3.5))]

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
    "Modality LUT": _classic(_table, lambda _, stored: stored * 7 % 5000),
    "slope 0": _classic(_rescaled(0), lambda _, stored: stored),
    "slope with a decimal comma": _classic(_comma, lambda _, stored: stored * 0.5),
    "scale slope of Philips": _classic(_philips_alike, lambda _, s: (s * 1.5 - 3) / (1.5 * 0.25)),
    "scale slope of Philips, slice by slice": _classic(_philips, lambda _, stored: stored / 0.25),
    "real-world values": _classic(_mapped, lambda _, stored: stored * 0.5 + 1),
    "real-world values beside a rescaling": _classic(
        _rescaled(2, -7, RealWorldValueMappingSequence=[scaling.real_world(1e-6)]),
        lambda _, stored: stored * 2 - 7,
    ),
    "palette": _palette,
    "enhanced, rescaled frame by frame": _enhanced(10),
    "enhanced, scale slope of Philips": _enhanced(10, philips=True, growth=0),
    "enhanced, scale slope of Philips frame by frame": _enhanced(10, philips=True),
    "concatenation": _enhanced(4, 3, 3),
}
