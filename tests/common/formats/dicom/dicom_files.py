"""DICOM files to test with, and what becomes of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from common.domain.affine import Affine
from common.errors import SourceError
from common.formats.dicom.headers import read_slices
from common.formats.dicom.left_out import LeftOut
from common.formats.dicom.pseudonyms import pseudonym
from common.formats.dicom.series import group_series, stack_series
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack import Stack
from common.formats.dicom.stack_voxels import read_stack, slice_digests

DATA = Path(pydicom.__file__).parent / "data" / "test_files"
KEY = bytes(32)
MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
SERIES = generate_uid()

Write = Callable[..., Path]


def writer(folder: Path) -> Write:
    """Writes one slice: 4 columns, 3 rows, 5 mm apart, values ``100 * instance + pixel``."""

    def one(instance: int = 1, name: str = "", **changes: Any) -> Path:
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = MR_STORAGE, generate_uid()
        data.SeriesInstanceUID, data.Modality, data.PatientID = SERIES, "MR", "patient-1"
        data.InstanceNumber = instance
        data.Rows, data.Columns, data.SamplesPerPixel = 3, 4, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 1
        data.PixelSpacing, data.SliceThickness = [2.0, 1.5], 4.0  # between rows, between columns
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [10, 20, 5.0 * instance]
        data.PixelData = (100 * instance + np.arange(12, dtype="<i2")).tobytes()
        for keyword, value in changes.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        path = folder / (name or f"{instance:03}.dcm")
        path.parent.mkdir(exist_ok=True)
        data.save_as(path, enforce_file_format=True)
        return path

    return one


def found(*paths: Path, single_file: bool = False) -> list[tuple[str, Stack | SourceError]]:
    """What becomes of the series of these files; without what is left out."""
    return [
        (label, outcome)
        for label, outcome in outcomes(*paths, single_file=single_file)
        if not isinstance(outcome, LeftOut)
    ]


def outcomes(*paths: Path, single_file: bool = False) -> list[tuple[str, Stack | SourceError]]:
    """What becomes of the series of these files, with what is left out."""
    slices = [plane for path in paths for plane in slices_of(path)]
    return [
        outcome
        for group in group_series(slices)
        for outcome in stack_series(group, single_file=single_file, digests=slice_digests)
    ]


def left_out(*paths: Path) -> dict[str, str]:
    """The kind of each file or volume that is left out."""
    return {label: one.kind for label, one in outcomes(*paths) if isinstance(one, LeftOut)}


def slices_of(path: Path, key: bytes = KEY, *, force: bool = False) -> list[Slice]:
    read = read_slices(path, path.name, force=force)
    subject = pseudonym(read.patient, key)
    return [replace(plane, subject=subject) for plane in read.slices]


def read_voxels(stack: Stack) -> tuple[npt.NDArray[Any], Affine | None]:
    return read_stack(stack.slices), stack.affine


def volume(*paths: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    [(_, stack)] = found(*paths)
    assert isinstance(stack, Stack), stack
    voxels, affine = read_voxels(stack)
    return voxels, np.array(affine)


def reason(*paths: Path) -> str:
    """Why the series of these files cannot become a scan."""
    try:
        [(_, stack)] = found(*paths)
        if isinstance(stack, SourceError):
            return str(stack)
        read_voxels(stack)
    except SourceError as error:
        return str(error)
    return pytest.fail("nothing was wrong with it")


def enhanced(path: Path, places: list[float], **tops: Any) -> Path:
    """An enhanced MR file of 2x2 frames at these z, frame n filled with n."""
    data = pydicom.dcmread(path)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(data, keyword)
    shared, data.NumberOfFrames = Dataset(), len(places)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [Dataset()], [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [1.0, 1.0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for n, z in enumerate(places):
        frame = Dataset()
        frame.PlanePositionSequence, frame.FrameContentSequence = [Dataset()], [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, z]
        if len(set(places)) < len(places):
            frame.FrameContentSequence[0].TemporalPositionIndex = 1 + n * 2 // len(places)
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.Rows = data.Columns = 2
    data.PixelData = np.repeat(np.arange(len(places), dtype="<i2"), 4).tobytes()
    for keyword, value in tops.items():
        setattr(data, keyword, value)
    data.save_as(path)
    return path
