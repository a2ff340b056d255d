"""A stack of DICOM slices: its voxels, how they are rescaled, and the memory that they take."""

import gzip
import importlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from tests.common.formats.dicom.dicom_files import DATA, Write, reason, volume

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

PHILIPS = Path(nib.__file__).parent / "nicom/tests/data/philips_mprage.dcm.gz"


def test_values_stay_whole_where_rescaling_keeps_them_so(write: Write) -> None:
    ct = {"PixelRepresentation": 0, "RescaleSlope": 1, "RescaleIntercept": -1024}
    voxels, _ = volume(*(write(k, **ct) for k in (1, 2)))
    assert voxels.dtype == np.dtype("<i2")
    assert voxels[0, 0].tolist() == [100 - 1024, 200 - 1024]
    voxels, _ = volume(write(1, RescaleSlope=500, RescaleIntercept=0))
    assert voxels.dtype == np.dtype("<u2")
    assert voxels.max() == 111 * 500


def test_values_become_float32_where_rescaling_breaks_or_outgrows_them(write: Write) -> None:
    # Each slice has its own slope, as PET has.
    voxels, _ = volume(*(write(k, RescaleSlope=0.5 * k, RescaleIntercept=1) for k in (1, 2)))
    assert voxels.dtype == np.dtype("<f4")
    assert voxels[0, 0].tolist() == [51, 201]
    voxels, _ = volume(write(1, RescaleSlope=1000, RescaleIntercept=0))
    assert voxels.dtype == np.dtype("<f4")


def test_rescaling_beyond_float32_is_refused(write: Write) -> None:
    path = write(1, RescaleSlope="1e300", RescaleIntercept=0)
    assert (
        reason(path)
        == "rescaled values are too large for float32: correct RescaleSlope and RescaleIntercept"
    )


def test_a_real_ct_series_is_stacked_upwards() -> None:
    paths = sorted((DATA / "dicomdirtests/98892001/CT5N").iterdir())
    voxels, affine = volume(*paths)
    assert voxels.shape == (16, 16, 5)
    np.testing.assert_allclose(affine[2], [0, 0, 2.5, -1.2375], atol=1e-6)
    top = pydicom.dcmread(paths[0])  # instance 6 lies highest
    expected = top.pixel_array.T * float(top.RescaleSlope) + float(top.RescaleIntercept)
    np.testing.assert_array_equal(voxels[:, :, 4], expected)


@pytest.mark.skipif(not PHILIPS.exists(), reason="nibabel was installed without its test data")
@pytest.mark.filterwarnings("ignore:The DICOM readers are highly experimental")
@pytest.mark.slow
def test_a_real_enhanced_file_agrees_with_nibabel(tmp_path: Path) -> None:
    path = tmp_path / "mprage.dcm"
    path.write_bytes(gzip.decompress(PHILIPS.read_bytes()))
    voxels, affine = volume(path)
    assert voxels.shape == (256, 256, 176)
    wrappers: Any = importlib.import_module("nibabel.nicom.dicomwrappers")
    wrapper = wrappers.wrapper_from_file(path)
    theirs = wrapper.get_unscaled_data()  # (row, column, slice), LPS+
    frame = wrapper.frames[0].PixelValueTransformationSequence[0]
    slope, intercept = float(frame.RescaleSlope), float(frame.RescaleIntercept)
    place = np.array([100, 80])
    for k in (0, 30, 175):
        here = affine @ [place[1], place[0], k, 1]
        there = np.linalg.inv(wrapper.affine) @ [*(here * [-1, -1, 1]), 1]
        index = tuple(there[:3].round().astype(int))
        np.testing.assert_allclose(there[:3], index, atol=0.01)
        expected = theirs[index] * slope + intercept
        assert voxels[place[1], place[0], k] == pytest.approx(expected, rel=1e-6)
