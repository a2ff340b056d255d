"""What headers say of the scale of their values: items of sequences, and private elements."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, ImplicitVRLittleEndian, generate_uid

from tests.common.formats.dicom import multiframe_files as multiframe

ENHANCED = UID("1.2.840.10008.5.1.4.1.1.4.1")


def lut(first: int, entries: Sequence[int], bits: int = 16, data: bytes | None = None) -> Dataset:
    """An item of a Modality LUT; ``data`` instead of numbers."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    item.ModalityLUTType = "US"
    if data is None and len(entries) < 32_768:
        item.add_new("LUTData", "US", list(entries))
    else:
        item.add_new("LUTData", "OW", data or np.array(entries, "<u2").tobytes())
    return item


def real_world(slope: float, intercept: float = 0.0, unit: str = "mm2/s") -> Dataset:
    """An item of a real-world value map."""
    item, code = Dataset(), Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = 0, 4095
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    item.MeasurementUnitsCodeSequence = [code]
    return item


def add_philips(data: Dataset, scale: float) -> Dataset:
    """Add Philips' scale slope."""
    data.Manufacturer = "Philips Medical Systems"
    block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0E, "FL", scale)
    return data


def edit(path: Path, change: Callable[[Dataset], object], *, implicit: bool = False) -> Path:
    """Change the header of a file."""
    data = dcmread(path)
    change(data)
    if implicit:
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        data.save_as(path, implicit_vr=True, little_endian=True)
    else:
        data.save_as(path)
    return path


def write_enhanced(
    path: Path,
    frames: npt.NDArray[Any],
    step: float = 3.5,
    first: int = 0,
    of_frame: Callable[[int, Dataset], object] = lambda _k, _frame: None,
    **fields: Any,
) -> Path:
    """Write an enhanced MR file.

    Args:
        path: the file.
        frames: (column, row, frame).
        step: mm between slices.
        first: the number of the slice that the file begins with.
        of_frame: changes the functional groups of a frame.
        fields: of the file.
    """
    place = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    bare: dict[str, Any] = dict.fromkeys((*place, "SpacingBetweenSlices"))
    multiframe.write(path, frames, step, ENHANCED, **{**bare, **fields})
    data = dcmread(path)
    data.SOPInstanceUID = generate_uid()
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SpacingBetweenSlices = list(multiframe.BETWEEN), step
    measures.SliceThickness = step
    plane.ImageOrientationPatient = [*multiframe.ROW, *multiframe.COLUMN]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    data.SharedFunctionalGroupsSequence, groups = [shared], []
    normal = np.cross(multiframe.ROW, multiframe.COLUMN)
    for k in range(frames.shape[2]):
        frame, position, content = Dataset(), Dataset(), Dataset()
        at = np.array(multiframe.FIRST) + normal * step * (first + k)
        position.ImagePositionPatient = [float(mm) for mm in at]
        content.InStackPositionNumber, content.StackID = first + k + 1, "1"
        content.DimensionIndexValues = [1, first + k + 1]
        frame.PlanePositionSequence, frame.FrameContentSequence = [position], [content]
        of_frame(k, frame)
        groups.append(frame)
    data.PerFrameFunctionalGroupsSequence = groups
    dimensions = [Dataset(), Dataset()]
    for item, keyword in zip(dimensions, ("StackID", "InStackPositionNumber"), strict=True):
        item.DimensionIndexPointer = Tag(keyword)
        item.FunctionalGroupPointer = Tag("FrameContentSequence")
    data.DimensionIndexSequence = dimensions
    data.save_as(path)
    return path


def transformed(frame: Dataset, slope: float, intercept: float) -> None:
    """Give a frame a rescaling."""
    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = slope, intercept, "US"
    frame.PixelValueTransformationSequence = [item]


def measured(frame: Dataset, scale: float) -> None:
    """Give a frame Philips' scale slope, where enhanced files have it."""
    item = add_philips(Dataset(), scale)
    item.EchoTime = "1"  # their other elements are those of classic images
    # As Philips reserves the blocks, the fifth is 0x14.
    for n in range(1, 6):
        frame.private_block(0x2005, f"Philips MR Imaging DD {n:03}", create=True)
    block = frame.private_block(0x2005, "Philips MR Imaging DD 005")
    block.add_new(0x0F, "SQ", [item])
