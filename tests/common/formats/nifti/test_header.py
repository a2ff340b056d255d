"""NIfTI headers: shapes, types and sizes that become scans, and those that are refused."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.errors import SourceError
from tests.common.formats.nifti.nifti_files import Save, patched, read_volume, reason, volumes_in


def test_colours_and_complex_numbers_are_refused_with_a_reason(save: Save) -> None:
    rgb = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "RGB" in reason(save(rgb))
    assert "complex" in reason(save(np.zeros((2, 2, 2), np.complex64)))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "voxels of an unknown type (datatype 0): export again"),
        (1, "voxels of 1 bit each: convert them to uint8"),
        (1234, "voxels of an unknown type (datatype 1234): export again"),
        (1536, "voxels of type float128: convert them to float32 or float64"),
        (1792, "voxels are complex numbers: send their magnitudes"),
        (2304, "voxels are RGB colours: send an image of intensities"),
    ],
)
def test_a_data_type_that_is_not_read_is_named(save: Save, code: int, told: str) -> None:
    assert reason(patched(save(np.zeros((2, 2, 2), np.uint8)), 70, "<h", code)) == told


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
    found = volumes_in(save(np.zeros(shape, np.uint8)), "label")
    assert len(found) == volumes
    assert all(read_volume(volume)[0].shape == expected for volume in found)


def test_a_fourth_axis_of_no_length_is_one_volume(save: Save) -> None:
    path = patched(save(np.arange(8, dtype=np.uint8).reshape(2, 2, 2)), 40, "<5h", 4, 2, 2, 2, 0)
    [volume] = volumes_in(path)
    assert read_volume(volume)[0].ravel(order="F").tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


@pytest.mark.parametrize(
    ("parts", "header", "volumes"),
    [
        (5, {}, 5),
        (3, {"xyzt_units": 2 | 8}, 3),  # mm and s
        (3, {"intent_code": 2001}, 3),  # time series
        (3, {}, None),
        (6, {}, None),
        (5, {"intent_code": 1007}, None),  # vectors
    ],
)
def test_time_in_the_fifth_axis_is_told_from_vectors(
    save: Save, parts: int, header: dict[str, int], volumes: int | None
) -> None:
    data = np.arange(8 * parts, dtype=np.uint8).reshape((2, 2, 2, 1, parts))
    path = save(data, **header)
    if volumes is None:
        assert f"5-D data (2x2x2x1x{parts})" in reason(path)
    else:
        found = volumes_in(path)
        assert len(found) == volumes
        np.testing.assert_array_equal(read_volume(found[2])[0], data[..., 0, 2])


def test_vectors_and_rows_are_refused_with_their_axes(save: Save) -> None:
    assert "5-D data (2x2x2x1x3" in reason(save(np.zeros((2, 2, 2, 1, 3), np.float32)))
    assert "one row of 7 values" in reason(save(np.zeros(7, np.float32)))


def test_an_axis_of_no_voxels_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 42, "<h", 0)
    assert reason(path) == "an empty volume: axes of 0x2x2 voxels; export it again"


def test_a_file_that_was_compressed_twice_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(gzip.compress(bytes(2000))))
    assert reason(path).startswith("compressed twice: unpack it once")


def test_the_header_of_a_pair_in_a_single_file_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 344, "<4s", b"ni1\0")
    assert "half of a .hdr/.img pair, but its name says that it is a single file" in reason(path)


def test_a_file_that_declares_what_its_size_cannot_hold_is_refused_unread(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8), "a.nii.gz")
    patched(path, 40, "<4h", 3, 30000, 30000, 30000)
    with pytest.raises(SourceError, match="cannot hold them"):
        volumes_in(path, "label")


def test_a_bomb_tells_its_size_before_it_is_read(save: Save) -> None:
    path = save(np.zeros((1000, 1000, 20), np.uint8), "a.nii.gz")
    [volume] = volumes_in(path, "label")
    assert path.stat().st_size < 200_000
    assert volume.declared_bytes == 20_000_000
    patched(path, 112, "<ff", 2.0, 0.0)
    assert volumes_in(path, "label")[0].declared_bytes == 80_000_000  # as float32


def test_a_small_file_that_declares_millions_of_volumes_is_refused(tmp_path: Path) -> None:
    header: Any = nib.Nifti2Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype("uint8")
    header["dim"] = [4, 1, 1, 1, 4_000_000, 1, 1, 1]
    header["magic"], header["vox_offset"] = b"n+2", 544
    path = tmp_path / "many.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4_000_004)))
    assert path.stat().st_size < 10_000
    with pytest.raises(SourceError, match="4000000 volumes"):
        volumes_in(path, "many")


def test_volumes_that_are_not_in_a_compressed_file_are_not_declared(save: Save) -> None:
    path = save(np.zeros((2, 2, 2, 3), np.uint8), "a.nii.gz")
    assert len(volumes_in(path)) == 3
    patched(path, 40, "<5h", 4, 2, 2, 2, 32767)
    path.write_bytes(path.read_bytes() + b"x" * 1000)  # so that its size could explain them
    with pytest.raises(SourceError, match=r"damaged|truncated"):
        volumes_in(path)


def test_a_compressed_file_that_inflates_a_thousandfold_is_refused(tmp_path: Path) -> None:
    header: Any = nib.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype("uint8")
    header["dim"] = [3, 1024, 1024, 2047, 1, 1, 1, 1]
    header["magic"], header["vox_offset"] = b"n+1", 352
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock) + bytes(2_200_000))
    with pytest.raises(SourceError, match=r"inflates more than 250-fold.* send it uncompressed"):
        volumes_in(path)
