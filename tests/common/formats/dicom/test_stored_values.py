"""The header says which bits of a cell are stored, in each transfer syntax."""

from typing import Any

import jpeg_ls  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from openjpeg.utils import encode as encode_j2k
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from tests.common.formats.dicom.dicom_files import Write, volume

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


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
