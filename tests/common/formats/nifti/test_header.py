"""NIfTI headers: shapes, types and sizes that become scans, and those that are refused."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.errors import SourceError
from common.formats.nifti.volumes import nifti_volumes
from tests.common.formats.nifti.nifti_files import Save, patched, reason


def test_colours_and_complex_numbers_are_refused_with_a_reason(save: Save) -> None:
    rgb = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "RGB" in reason(save(rgb))
    assert "complex" in reason(save(np.zeros((2, 2, 2), np.complex64)))


@pytest.mark.parametrize(
    ("shape", "expected", "volumes"),
    [
        ((4, 3), (4, 3, 1), 1),
        ((4, 3, 2), (4, 3, 2), 1),
        ((4, 3, 2, 1, 1), (4, 3, 2), 1),
        ((4, 3, 2, 5), (4, 3, 2), 5),
        ((4, 3, 1, 5, 1), (4, 3, 1), 5),
    ],
)
def test_planes_get_a_third_axis_and_trailing_axes_of_one_go(
    save: Save, shape: tuple[int, ...], expected: tuple[int, ...], volumes: int
) -> None:
    found = nifti_volumes(save(np.zeros(shape, np.uint8)), "label")
    assert len(found) == volumes
    assert all(volume.read()[0].shape == expected for volume in found)


def test_vectors_and_rows_are_refused_with_their_axes(save: Save) -> None:
    assert "5-D data (2x2x2x1x3" in reason(save(np.zeros((2, 2, 2, 1, 3), np.float32)))
    assert "one row of 7 values" in reason(save(np.zeros(7, np.float32)))


def test_an_axis_of_no_voxels_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 42, "<h", 0)
    assert reason(path) == "an empty volume: axes of 0x2x2 voxels"


def test_half_of_a_pair_says_what_to_do(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 344, "<4s", b"ni1\0")
    assert ".hdr/.img pair" in reason(path)


def test_an_unknown_data_type_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 70, "<h", 1234)
    assert "data code 1234 not recognized" in reason(path)


def test_a_file_that_declares_what_its_size_cannot_hold_is_refused_unread(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8), "a.nii.gz")
    patched(path, 40, "<4h", 3, 30000, 30000, 30000)
    with pytest.raises(SourceError, match="cannot hold them"):
        nifti_volumes(path, "label")


def test_a_bomb_tells_its_size_before_it_is_read(save: Save) -> None:
    path = save(np.zeros((1000, 1000, 20), np.uint8), "a.nii.gz")
    [volume] = nifti_volumes(path, "label")
    assert path.stat().st_size < 200_000
    assert volume.declared_bytes == 20_000_000
    patched(path, 112, "<ff", 2.0, 0.0)
    assert nifti_volumes(path, "label")[0].declared_bytes == 80_000_000  # as float32


def test_a_small_file_that_declares_millions_of_volumes_is_refused(tmp_path: Path) -> None:
    header: Any = nib.Nifti2Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype("uint8")
    header["dim"] = [4, 1, 1, 1, 4_000_000, 1, 1, 1]
    header["magic"], header["vox_offset"] = b"n+2", 544
    path = tmp_path / "many.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4_000_004)))
    assert path.stat().st_size < 10_000
    with pytest.raises(SourceError, match="4000000 volumes"):
        nifti_volumes(path, "many")
