"""Decoding: each transfer syntax gives the same pixels, and damage is an error."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jpeg_ls  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from openjpeg.utils import encode as encode_j2k
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from common.formats.dicom import pixel_data
from tests.common.formats.dicom.dicom_files import DATA, Write, reason, volume

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_cut_and_absent_pixels_are_named_with_their_file(write: Write) -> None:
    short = write(2, PixelData=bytes(10))
    assert (
        reason(write(1), short) == "002.dcm is truncated: 10 of 24 bytes of pixels; copy it again"
    )
    assert "002.dcm is truncated before its pixel data, or has none" in reason(
        write(1), write(2, PixelData=None)
    )


def test_pixels_that_cannot_be_decoded_say_what_they_are(write: Write) -> None:
    path = write(1)
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.encaps.encapsulate([b"nonsense"])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = RLELossless
    data.save_as(path)
    told = reason(path)
    assert "pixel data of 001.dcm is truncated or cannot be decoded (RLE Lossless" in told


def test_a_decoder_that_panics_fails_its_series_alone(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException): ...  # as pyo3 makes of a panic in Rust

    def panicking(*_: Any, **__: Any) -> Any:
        raise Panic("index out of bounds")

    monkeypatch.setattr(pixel_data, "get_decoder", panicking)
    assert "cannot be decoded (Explicit VR Little Endian, Panic)" in reason(write(1))


def test_a_damaged_jpeg_ls_stream_does_not_end_the_process(tmp_path: Path) -> None:
    data = bytearray((DATA / "MR_small_jpeg_ls_lossless.dcm").read_bytes())
    data[data.index(b"\xff\xf7") + 4] = 99  # bits per sample: GDCM would abort
    path = tmp_path / "damaged.dcm"
    path.write_bytes(data)
    code = f"from {reason.__module__} import Path, reason; print(reason(Path({str(path)!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be decoded (JPEG-LS Lossless" in done.stdout


@pytest.mark.parametrize(
    "name",
    [
        *("MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm"),
        *("MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"),
        "MR_small_padded.dcm",
    ],
)
def test_one_image_is_the_same_in_all_transfer_syntaxes(name: str) -> None:
    voxels, affine = volume(DATA / "MR_small.dcm")
    other, placed = volume(DATA / name)
    assert other.dtype == voxels.dtype
    np.testing.assert_array_equal(other, voxels)
    np.testing.assert_array_equal(placed, affine)


def test_a_real_truncated_file_says_how_much_is_missing() -> None:
    told = reason(DATA / "MR_truncated.dcm")
    assert told == "MR_truncated.dcm is truncated: 8130 of 8192 bytes of pixels; copy it again"


def j2k(plane: npt.NDArray[Any]) -> bytes:
    return bytes(encode_j2k(plane))


def jls(plane: npt.NDArray[Any]) -> bytes:
    return bytes(jpeg_ls.encode_array(plane))


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (ExplicitVRLittleEndian, None),
        (JPEG2000Lossless, j2k),
        (JPEGLSLossless, jls),
    ],
)
@pytest.mark.parametrize("signed", [0, 1])
def test_the_header_says_which_bits_are_stored_and_their_sign(
    write: Write, syntax: UID, encode: Any, signed: int
) -> None:
    """An archive that compresses signed 12 bits as unsigned 16 leaves the sign to the header."""
    values = np.resize(np.array([-1000, -1, 0, 7, 1900, 2047, -2048], np.int16), (64, 64))
    expected = values if signed else values & 0xFFF
    noise = 0 if encode else 0xA000  # an overlay above the value
    path = write(1, BitsStored=12, HighBit=11, PixelRepresentation=signed, Rows=64, Columns=64)
    cells = np.ascontiguousarray(values.view(np.uint16) & 0xFFF | noise)
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.encaps.encapsulate([encode(cells)]) if encode else cells.tobytes()
    data["PixelData"].is_undefined_length = encode is not None
    data.file_meta.TransferSyntaxUID = syntax
    data.save_as(path)
    voxels, _ = volume(path)
    assert voxels[:, :, 0].T.tolist() == expected.tolist()


def test_values_may_be_stored_in_the_upper_bits(write: Write) -> None:
    values = np.array([-1000, 1900, 3], np.int16).repeat(4)
    path = write(1, BitsStored=12, HighBit=15, PixelData=(values << 4 | 9).tobytes())
    assert volume(path)[0][:, :, 0].T.ravel().tolist() == values.tolist()
