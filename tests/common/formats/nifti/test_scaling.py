"""NIfTI values: byte order, scaling, and types that a scan may have."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.common.formats.nifti.nifti_files import Save, patched, read_volume, reason, volumes_in


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_a_type_that_a_scan_may_have_is_kept_and_made_little_endian(
    tmp_path: Path, dtype: str, order: str, name: str
) -> None:
    data = np.arange(60).reshape(3, 4, 5).astype(dtype)
    header = nib.Nifti1Header(endianness=order)  # type: ignore[no-untyped-call]
    header.set_data_dtype(data.dtype)  # type: ignore[no-untyped-call]
    made = nib.Nifti1Image(data, np.eye(4), header)  # type: ignore[no-untyped-call]
    nib.save(made, tmp_path / name)
    [volume] = volumes_in(tmp_path / name, "label")
    voxels, _ = read_volume(volume)
    assert voxels.dtype == np.dtype(dtype).newbyteorder("<")
    np.testing.assert_array_equal(voxels, data)


def test_scaled_values_become_float32(save: Save) -> None:
    path = save(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    patched(path, 112, "<ff", 0.5, -3.0)  # scl_slope, scl_inter
    voxels, _ = read_volume(volumes_in(path, "label")[0])
    assert voxels.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(voxels.ravel(), np.arange(24) * 0.5 - 3)


def test_a_slope_of_zero_means_unscaled(save: Save) -> None:
    path = patched(save(np.ones((2, 2, 2), np.int16)), 112, "<ff", 0.0, 7.0)
    voxels, _ = read_volume(volumes_in(path, "label")[0])
    assert voxels.dtype == np.int16
    assert voxels.max() == 1


@pytest.mark.parametrize("inter", [0.0, 5.0, float("nan"), float("inf")])
@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_a_slope_that_is_no_number_means_unscaled(save: Save, slope: float, inter: float) -> None:
    path = patched(save(np.ones((2, 2, 2), np.int16)), 112, "<ff", slope, inter)
    voxels, _ = read_volume(volumes_in(path, "label")[0])
    assert voxels.dtype == np.int16
    assert voxels.max() == 1


@pytest.mark.parametrize(
    ("slope", "inter", "name"),
    [
        (float("inf"), 0.0, "scl_slope"),
        (1.0, float("nan"), "scl_inter"),
        (2.0, float("-inf"), "scl_inter"),
    ],
)
def test_a_scaling_that_is_not_finite_is_refused_by_name(
    save: Save, slope: float, inter: float, name: str
) -> None:
    path = patched(save(np.ones((2, 2, 2), np.int16)), 112, "<ff", slope, inter)
    assert reason(path).startswith(f"{name} is not a finite number")


@pytest.mark.parametrize(("slope", "inter"), [(-2.0, 1000.0), (1e-6, 0.0), (1e-30, 0.0)])
def test_negative_and_tiny_slopes_are_applied(save: Save, slope: float, inter: float) -> None:
    path = save(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    voxels, _ = read_volume(volumes_in(patched(path, 112, "<ff", slope, inter))[0])
    expected = np.arange(24) * float(np.float32(slope)) + inter
    np.testing.assert_allclose(voxels.ravel(), expected, rtol=1e-6)


def test_scaling_beyond_float32_is_refused(save: Save) -> None:
    path = patched(save(np.full((2, 2, 2), 1e10)), 112, "<ff", 1e38, 0.0)
    assert "too large for float32" in reason(path)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 255, "uint8"),
        (-1, 127, "int8"),
        (0, 65535, "uint16"),
        (-1, 255, "int16"),
        (0, 2**32 - 1, "uint32"),
        (-1, 2**16, "int32"),
        (-1, 2**40, "float64"),
    ],
)
def test_64_bit_integers_take_the_smallest_type_that_holds_them(
    tmp_path: Path, low: int, high: int, expected: str
) -> None:
    data = np.array([low, high, 0, 1], np.int64).reshape(2, 2, 1)
    made = nib.Nifti1Image(data, np.eye(4), dtype=np.int64)  # type: ignore[no-untyped-call]
    nib.save(made, tmp_path / "a.nii")
    voxels, _ = read_volume(volumes_in(tmp_path / "a.nii", "label")[0])
    assert voxels.dtype.name == expected
    np.testing.assert_array_equal(voxels, data)


def test_64_bit_integers_that_no_type_holds_are_refused(tmp_path: Path) -> None:
    data = np.array([-1, 2**60 + 1], np.int64).reshape(2, 1, 1)
    made = nib.Nifti1Image(data, np.eye(4), dtype=np.int64)  # type: ignore[no-untyped-call]
    nib.save(made, tmp_path / "a.nii")
    assert "no smaller type holds exactly" in reason(tmp_path / "a.nii")
