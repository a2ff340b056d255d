"""Pixels that a file cannot have: cut ones, and those of another transfer syntax."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from common.errors import SourceError
from common.formats.dicom.damage import damage_of
from common.formats.dicom.header_walk import Pixels
from tests.common.formats.dicom.dicom_files import DATA, Write, slices_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SIZE = {"Rows": 3, "Columns": 4, "BitsAllocated": 16}


def damage(data: bytes, syntax: pydicom.uid.UID = ExplicitVRLittleEndian) -> str:
    return damage_of(io.BytesIO(data), Pixels("PixelData", "OW", 0, len(data)), syntax, SIZE)


def test_pixels_that_are_cut_are_damaged() -> None:
    assert damage(bytes(24)) == damage(bytes(26)) == ""
    assert damage(bytes(20)).startswith("truncated: 20 of 24 bytes")
    assert "has none" in damage_of(io.BytesIO(), None, None, SIZE)


def test_compressed_pixels_that_are_cut_are_damaged() -> None:
    whole = pydicom.encaps.encapsulate([bytes(100)]) + b"\xfe\xff\xdd\xe0\0\0\0\0"
    assert damage(whole, RLELossless) == damage(whole[:-8], RLELossless) == ""
    assert damage(whole[:-30], RLELossless).startswith("truncated")


def test_a_transfer_syntax_that_lies_is_named(write: Write) -> None:
    path = write(1)
    content = path.read_bytes()
    path.write_bytes(content.replace(ExplicitVRLittleEndian.encode(), RLELossless.encode(), 1))
    with pytest.raises(SourceError, match="says that its pixels are compressed, but they are not"):
        slices_of(path)
    with pytest.raises(SourceError, match="are not compressed, but they are"):
        damage(pydicom.encaps.encapsulate([bytes(100)]))


def test_twice_the_pixels_are_another_size_than_the_header_says() -> None:
    with pytest.raises(SourceError, match="2 times as many bytes"):
        damage(np.zeros(24, "<u2").tobytes())


@pytest.mark.parametrize("path", sorted(DATA.glob("MR_small*.dcm")), ids=lambda path: path.name)
def test_whole_files_are_whole(path: Path) -> None:
    assert slices_of(path)[0].damage == ""


def test_pixels_of_more_frames_than_declared_are_refused() -> None:
    size = {**SIZE, "NumberOfFrames": "3"}
    pixels = io.BytesIO(bytes(96))
    assert damage_of(pixels, Pixels("PixelData", "OW", 0, 72 + 10), None, size) == ""
    with pytest.raises(SourceError, match="more frames"):
        damage_of(pixels, Pixels("PixelData", "OW", 0, 96), None, size)
