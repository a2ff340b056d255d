"""Headers are measured before pydicom sees them, in each encoding."""

import struct
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from common.errors import SourceError
from common.formats.dicom.header_scan import ScannedHeader, scan_header
from tests.common.formats.dicom.dicom_files import DATA, Write, enhanced

pytestmark = pytest.mark.filterwarnings("ignore")

ENCODINGS = {
    "explicit": (ExplicitVRLittleEndian, False, True),
    "implicit": (ImplicitVRLittleEndian, True, True),
    "big endian": (ExplicitVRBigEndian, False, False),
}


def scanned(path: Path) -> ScannedHeader:
    with path.open("rb") as file:
        return scan_header(file)


def saved(path: Path, data: pydicom.FileDataset, encoding: str) -> Path:
    syntax, implicit, little = ENCODINGS[encoding]
    data.file_meta.TransferSyntaxUID = syntax
    data["PixelData"].VR = "OW"
    pydicom.dcmwrite(path, data, implicit_vr=implicit, little_endian=little, force_encoding=True)
    return path


def nested(depth: int) -> Dataset:
    data = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedImageSequence = [data]
        data = outer
    return data


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("undefined", [False, True])
def test_items_are_counted_and_a_million_refused(
    write: Write, tmp_path: Path, encoding: str, undefined: bool
) -> None:
    for count in (1000, 40_000):
        data = pydicom.dcmread(write(1))
        data.ReferencedImageSequence = [Dataset() for _ in range(count)]
        data["ReferencedImageSequence"].is_undefined_length = undefined
        for item in data.ReferencedImageSequence:
            item.is_undefined_length_sequence_item = undefined
        path = saved(tmp_path / "a.dcm", data, encoding)
        if count == 1000:
            assert scanned(path).pixels is not None
        else:
            with pytest.raises(SourceError, match="too many elements and sequence items"):
                scanned(path)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_depth_is_bounded(write: Write, tmp_path: Path, encoding: str) -> None:
    for depth in (8, 60):
        data = pydicom.dcmread(write(1))
        data.update(nested(depth))
        path = saved(tmp_path / "a.dcm", data, encoding)
        if depth == 8:
            assert scanned(path).pixels is not None
        else:
            with pytest.raises(SourceError, match="sequences more than 16 deep"):
                scanned(path)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
                                  "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_dcmtk.dcm",
                                  "liver_1frame.dcm"])  # fmt: skip
def test_the_pixels_are_where_pydicom_finds_them(name: str) -> None:
    path = DATA / name
    data = pydicom.dcmread(path)
    pixels = scanned(path).pixels
    assert pixels is not None
    raw: Any = data.get_item("PixelData")
    assert pixels.offset == raw.value_tell
    assert pixels.length >= len(data.PixelData)
    assert scanned(path).frames == int(data.get("NumberOfFrames", 1))


def test_each_frame_may_have_its_elements(write: Write) -> None:
    path = enhanced(write(1), [float(n) for n in range(3000)])
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + 3000 * 64 * 64 * 2)
    assert scanned(path).frames == 3000


def test_an_item_that_overruns_its_sequence_hides_nothing(tmp_path: Path, write: Write) -> None:
    """pydicom goes on behind the sequence, wherever the item says that it ends."""
    content = write(1).read_bytes()
    place = content.rindex(struct.pack("<HH", 0x7FE0, 0x0010))
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 1 << 30)
    empty = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 40_000
    hiding = struct.pack("<HH2sHL", 0x0029, 0x1010, b"SQ", 0, len(item)) + item
    bomb = struct.pack("<HH2sHL", 0x0029, 0x1011, b"SQ", 0, len(empty)) + empty
    path = tmp_path / "a.dcm"
    path.write_bytes(content[:place] + hiding + bomb + content[place:])
    with pytest.raises(SourceError, match="too many elements"):
        scanned(path)


def test_damaged_deflated_data_is_refused(tmp_path: Path) -> None:
    content = (DATA / "image_dfl.dcm").read_bytes()
    path = tmp_path / "a.dcm"
    path.write_bytes(content[:-200])
    with pytest.raises(SourceError, match="deflated data is truncated"):
        scanned(path)
    path.write_bytes(content[:400] + b"\xff" * 100)
    with pytest.raises(SourceError, match=r"deflated data is (damaged|truncated)"):
        scanned(path)


def test_a_compressed_file_may_have_only_elements_that_its_own_size_explains(
    tmp_path: Path,
) -> None:
    path = tmp_path / "zeros.dcm"
    path.write_bytes(bytes(8 << 20))  # over 200,000 empty elements of implicit VR
    with path.open("rb") as file, pytest.raises(SourceError, match="too many elements"):
        scan_header(file, 144)
