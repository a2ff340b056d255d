"""Pixels that are not compressed are read as pydicom decodes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from common.formats.dicom.header_scan import scan_header
from common.formats.dicom.header_tags import PIXEL_TAGS
from common.formats.dicom.native_pixels import native_pixels
from tests.common.formats.dicom.dicom_files import DATA, Write

pytestmark = pytest.mark.filterwarnings("ignore")


def cells(path: Path) -> list[Any] | None:
    with path.open("rb") as file:
        native = native_pixels(scan_header(file), PIXEL_TAGS)
        if native is None:
            return None
        return [*native.frames(file, range(int(native.values.get("NumberOfFrames") or 1)))]


def test_frames_are_those_of_pydicom() -> None:
    compared = 0
    for path in sorted(DATA.glob("*.dcm")):
        if (found := cells(path)) is not None:
            theirs = pydicom.dcmread(path).pixel_array
            assert np.array_equal(np.squeeze(np.array(found)), np.squeeze(theirs)), path.name
            compared += 1
    assert compared > 5


def test_implicit_files_are_read(write: Write) -> None:
    path = write(2)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    data.save_as(path, implicit_vr=True, little_endian=True)
    found = cells(path)
    assert found is not None
    assert found[0].tolist() == np.arange(200, 212).reshape(3, 4).tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"BitsAllocated": 64},
        {"PhotometricInterpretation": "RGB"},
        {"SamplesPerPixel": 3},
        {"BitsStored": 17},
        {"PixelRepresentation": None},
        {"NumberOfFrames": 2},
    ],
)
def test_what_is_in_doubt_is_left_to_pydicom(write: Write, changes: dict[str, Any]) -> None:
    assert cells(write(1)) is not None
    assert cells(write(1, **changes)) is None


def test_a_file_that_was_cut_meanwhile_fails(write: Write) -> None:
    path = write(1)
    with path.open("r+b") as file:
        native = native_pixels(scan_header(file), PIXEL_TAGS)
        assert native is not None
        file.truncate(path.stat().st_size - 1)
        with pytest.raises(EOFError):
            [*native.frames(file, [0])]
