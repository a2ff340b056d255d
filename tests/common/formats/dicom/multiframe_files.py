"""Classic multi-frame files of known content: frames of one file, without functional groups."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR = "1.2.840.10008.5.1.4.1.1.4"
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7.3"
ROW, COLUMN, FIRST = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (-30.0, -40.0, 15.0)
BETWEEN = (2.5, 2.0)
SLICE_VECTOR = Tag("SliceVector")


def voxels(count: int, seed: int = 1) -> npt.NDArray[np.int64]:
    """Voxels (8, 6, count) that differ from their mirror images."""
    return np.random.default_rng(seed).integers(1, 4000, (8, 6, count))


def affine(
    step: float,
    row: tuple[float, float, float] = ROW,
    column: tuple[float, float, float] = COLUMN,
) -> npt.NDArray[np.float64]:
    """4x4, RAS+, of frames that follow along the normal, or against it if ``step`` is negative."""
    made = np.eye(4)
    made[:3, 0], made[:3, 1] = np.array(row) * BETWEEN[1], np.array(column) * BETWEEN[0]
    made[:3, 2], made[:3, 3] = np.cross(row, column) * step, FIRST
    made[:2] *= -1
    return made


def write(
    path: Path, frames: npt.NDArray[Any], step: float = 3.5, sop_class: str = MR, **fields: Any
) -> Path:
    """Write frames (column, row, frame) of 16 bits; a field that is None is left out."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = sop_class, generate_uid()
    data.SeriesInstanceUID, data.Modality, data.Manufacturer = generate_uid(), "MR", "X"
    data.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    data.InstanceNumber = data.SeriesNumber = 1
    data.Columns, data.Rows, data.NumberOfFrames = frames.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation, data.PixelSpacing = 0, list(BETWEEN)
    data.SpacingBetweenSlices, data.SliceThickness = step, abs(step)
    data.ImageOrientationPatient, data.ImagePositionPatient = [*ROW, *COLUMN], list(FIRST)
    data.PixelData = frames.transpose(2, 1, 0).astype("<u2").tobytes()
    for keyword, value in fields.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path


def write_nuclear(path: Path, frames: npt.NDArray[Any], step: float = 3.5, **fields: Any) -> Path:
    """Write a reconstruction of nuclear medicine, whose place is in that of its detector."""
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = list(FIRST), [*ROW, *COLUMN]
    count = frames.shape[2]
    chosen = {
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        "Modality": "NM",
        "DetectorInformationSequence": [detector],
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "FrameIncrementPointer": SLICE_VECTOR,
        "SliceVector": list(range(1, count + 1)),
        "NumberOfSlices": count,
    }
    return write(path, frames, step, NUCLEAR, **{**chosen, **fields})
