"""Small DICOM files that would become large are refused, in bounded memory."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import get_frame

from common.errors import SourceError
from common.formats.dicom.frame_limits import check_frame
from common.formats.dicom.header_scan import ScannedHeader, scan_header
from tests.common.formats.dicom.dicom_files import DATA
from tests.fuzz.headers import element
from tests.fuzz.targets import CORPUS

MEMORY_MIB = 400


def replayed(path: Path) -> int:
    """The peak of memory, MiB, of a process that tries to send this file."""
    command = [sys.executable, "-m", "tests.fuzz.replay", "dicom", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout)


def scanned(path: Path) -> ScannedHeader:
    with path.open("rb") as file:
        return scan_header(file)


def deflated(size: int, preamble: bool = True) -> bytes:
    """A deflated file of ``size`` zero bytes."""
    syntax = element((0x0002, 0x0010), b"UI", b"1.2.840.10008.1.2.1.99")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # Flushed to whole bytes that know nothing of what came before: one serves for all.
    plane = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = plane * (size >> 20) + packer.flush()
    return (bytes(128) + b"DICM" if preamble else b"") + syntax + packed


@pytest.mark.parametrize("preamble", [True, False])
def test_a_deflated_file_that_inflates_without_end_is_refused(
    tmp_path: Path, preamble: bool
) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(deflated(900 << 20, preamble))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(SourceError, match="over 64 MiB"):
        scanned(path)
    assert replayed(path) < MEMORY_MIB


def test_a_deflated_file_of_usual_size_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "some.dcm"
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 32 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(pixels + bytes(32 << 20)) + packer.flush()
    path.write_bytes(deflated(0).partition(b"1.2.1.99")[0] + b"1.2.1.99" + body)
    found = scanned(path)
    assert found.inflated
    assert found.pixels is not None
    assert found.pixels.length == 32 << 20
    assert scanned(CORPUS / "dicom" / "deflated").inflated


def test_a_frame_that_declares_more_than_its_header_is_refused(tmp_path: Path) -> None:
    data = bytearray((CORPUS / "dicom" / "j2k").read_bytes())
    size = data.index(b"\xff\x4f\xff\x51") + 8
    for place in (size, size + 16):  # of the image, of its one tile
        struct.pack_into(">2I", data, place, 30_000, 30_000)
    path = tmp_path / "bomb.dcm"
    path.write_bytes(data)
    assert replayed(path) < MEMORY_MIB


@pytest.mark.parametrize(
    "name", ["JPEG-lossy.dcm", "JPEGLSNearLossless_16.dcm", "MR_small_jp2klossless.dcm"]
)
def test_a_frame_says_its_size(name: str) -> None:
    data = pydicom.dcmread(DATA / name)
    frame = get_frame(data.PixelData, 0, number_of_frames=1)
    check_frame(frame, data.Rows, data.Columns)
    for rows, columns in ((data.Rows - 1, data.Columns), (data.Rows, data.Columns - 1)):
        with pytest.raises(SourceError, match=f"{data.Rows} rows and {data.Columns} columns"):
            check_frame(frame, rows, columns)


@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\xd8" + bytes(50), b"nonsense"])
def test_a_frame_that_says_no_size_is_refused(frame: bytes) -> None:
    with pytest.raises(SourceError, match="has no header"):
        check_frame(frame, 10, 10)
