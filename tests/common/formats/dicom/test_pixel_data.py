"""Decoding: each transfer syntax gives the same pixels, and damage is an error."""

import numpy as np
import pytest

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
