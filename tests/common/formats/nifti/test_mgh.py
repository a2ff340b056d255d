"""FreeSurfer's images."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.formats.nifti.mgh import may_be_mgh
from tests.common.formats.nifti.nifti_files import patched, read_volume, reason, volumes_in

AFFINE = np.array([[-1.0, 0, 0, 9], [0, 0, 2, 8], [0, -1.5, 0, 7], [0, 0, 0, 1]])


def saved(folder: Path, data: Any, name: str = "a.mgz") -> Path:
    image = nib.MGHImage(data, AFFINE)  # type: ignore[no-untyped-call]
    nib.save(image, folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["a.mgh", "a.mgz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_voxels_and_affine_are_nibabels(tmp_path: Path, dtype: str, name: str) -> None:
    data = np.arange(120).reshape(2, 3, 4, 5).astype(dtype)
    volumes = volumes_in(saved(tmp_path, data, name))
    assert len(volumes) == 5
    for number, volume in enumerate(volumes):
        voxels, affine = read_volume(volume)
        assert voxels.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(voxels, data[..., number])
        np.testing.assert_allclose(affine, AFFINE[:3], atol=1e-5)
        assert volume.problems == ()


def test_a_header_without_geometry_gets_none(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros((2, 3, 4), np.uint8), "a.mgh")
    [volume] = volumes_in(patched(path, 28, ">h", 0))  # goodRASFlag
    assert (volume.layout.affine, volume.problems) == (None, ("geometry_unknown",))


@pytest.mark.parametrize(
    ("offset", "form", "value", "told"),
    [
        (4, ">i", 0, "an empty volume: axes of 0x3x4x1 voxels; export it again"),
        (4, ">i", -5, "an empty volume"),
        (8, ">i", 70_000, "the limit is 65535"),
        (8, ">i", 60_000, "truncated"),
        (20, ">i", 9, "voxels of an unknown type (9)"),
        (30, ">f", 0.0, "singular"),
        (30, ">f", float("nan"), "not finite"),
    ],
)
def test_what_is_wrong_with_a_header_is_named(
    tmp_path: Path, offset: int, form: str, value: float, told: str
) -> None:
    path = saved(tmp_path, np.zeros((2, 3, 4), np.uint8), "a.mgh")
    assert told in reason(patched(path, offset, form, value))


def test_a_cut_header_is_truncated(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros((2, 3, 4), np.uint8), "a.mgh")
    path.write_bytes(path.read_bytes()[:100])
    assert "truncated" in reason(path)
    assert may_be_mgh(path.read_bytes())
