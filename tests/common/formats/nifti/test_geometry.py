"""The affine of a NIfTI file, in mm."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.common.formats.nifti.nifti_files import Save, patched, read_volume, reason, volumes_in


def test_an_affine_in_metres_or_microns_is_made_millimetres(save: Save) -> None:
    for units, size in ((1, 1000.0), (2, 1.0), (3, 0.001)):
        path = save(np.zeros((2, 2, 2), np.uint8), xyzt_units=units)
        _, affine = read_volume(volumes_in(path, "label")[0])
        assert affine[0][0] == pytest.approx(size)


def only_qform(save: Save, *quaternion: float, qfac: float = 1.0) -> Path:
    """A file of sizes 2, 3, 4 mm whose place is in its qform alone."""
    path = save(np.zeros((2, 2, 2), np.uint8))
    patched(path, 252, "<hh", 1, 0)  # qform_code, sform_code
    patched(path, 76, "<4f", qfac, 2.0, 3.0, 4.0)  # pixdim
    return patched(path, 256, "<6f", *quaternion, -1.0, -2.0, -3.0)  # quatern_*, qoffset_*


def geometry(path: Path) -> tuple[Any, tuple[str, ...]]:
    [volume] = volumes_in(path)
    return volume.layout.affine, volume.problems


def test_a_singular_affine_is_refused(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8))
    patched(path, 252, "<hh", 0, 1)  # qform_code, sform_code
    patched(path, 280, "<12f", *[1.0] * 12)  # srow_*
    assert "singular" in reason(path)


@pytest.mark.parametrize("excess", [2e-7, 5e-7, 5e-5, 1e-3])
def test_a_quaternion_that_rounding_made_too_long_is_a_half_turn(save: Save, excess: float) -> None:
    affine, problems = geometry(only_qform(save, 0.0, 0.0, 1 + excess))
    np.testing.assert_allclose(affine, [[-2, 0, 0, -1], [0, -3, 0, -2], [0, 0, 4, -3]], atol=1e-9)
    assert problems == ()


def test_a_quaternion_that_is_far_too_long_leaves_the_geometry_unknown(save: Save) -> None:
    affine, problems = geometry(only_qform(save, 0.0, 0.0, 3.0))
    assert affine is not None
    assert problems == ("geometry_unknown",)


@pytest.mark.parametrize("qfac", [1.0, -1.0, 0.0])
@pytest.mark.parametrize("quaternion", [(0.0, 0.0, 0.0), (0.1, -0.2, 0.3), (0.5, 0.5, 0.5)])
def test_a_qform_is_what_nibabel_computes(
    save: Save, quaternion: tuple[float, float, float], qfac: float
) -> None:
    path = only_qform(save, *quaternion, qfac=qfac)
    affine, problems = geometry(path)
    expected: Any = nib.load(path)
    np.testing.assert_allclose(affine, expected.affine[:3], atol=1e-6)
    assert problems == ()


@pytest.mark.parametrize("row", [0.0, 1.0, float("nan")])
def test_an_sform_that_says_nothing_gives_way_to_a_good_qform(save: Save, row: float) -> None:
    path = only_qform(save, 0.0, 0.0, 0.0)
    patched(path, 254, "<h", 1)  # sform_code
    patched(path, 280, "<12f", *[row] * 12)  # srow_*
    affine, problems = geometry(path)
    assert affine == ((2, 0, 0, -1), (0, 3, 0, -2), (0, 0, 4, -3))
    assert problems == ()


def test_without_codes_the_sizes_are_known_and_the_orientation_is_not(save: Save) -> None:
    path = patched(only_qform(save, 0.0, 0.0, 0.0), 252, "<h", 0)
    assert geometry(path) == (
        ((2, 0, 0, 0), (0, 3, 0, 0), (0, 0, 4, 0)),
        ("geometry_unknown",),
    )
    patched(path, 254, "<h", 1)  # an sform of zeros says as little
    patched(path, 280, "<12f", *[0.0] * 12)
    assert geometry(path)[1] == ("geometry_unknown",)


@pytest.mark.parametrize("size", [0.0, float("nan"), float("inf")])
def test_without_sizes_no_geometry_is_made_up(save: Save, size: float) -> None:
    path = patched(only_qform(save, 0.0, 0.0, 0.0), 252, "<h", 0)
    assert geometry(patched(path, 84, "<f", size)) == (None, ("geometry_unknown",))


def test_a_plane_needs_no_third_size(save: Save) -> None:
    path = only_qform(save, 0.0, 0.0, 0.0)
    patched(path, 40, "<4h", 2, 2, 4, 0)  # dim
    affine, problems = geometry(patched(path, 88, "<f", 0.0))
    assert affine == ((2, 0, 0, -1), (0, 3, 0, -2), (0, 0, 1, -3))
    assert problems == ()


def test_unknown_units_are_millimetres(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8), xyzt_units=7)
    affine, _ = geometry(path)
    assert affine[0][0] == 1.0


def test_the_sform_precedes_the_qform_which_precedes_the_voxel_sizes(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8))
    patched(path, 252, "<hh", 1, 1)  # qform_code, sform_code
    patched(path, 76, "<4f", 1.0, 5.0, 6.0, 7.0)  # pixdim
    patched(path, 256, "<6f", 0.0, 0.0, 0.0, -1.0, -2.0, -3.0)  # quatern_*, qoffset_*
    patched(path, 280, "<12f", 2, 0, 0, 9, 0, 3, 0, 8, 0, 0, 4, 7)  # srow_*

    def affine() -> list[list[float]]:
        return np.array(read_volume(volumes_in(path, "label")[0])[1]).tolist()  # type: ignore[no-any-return]

    assert affine() == [[2, 0, 0, 9], [0, 3, 0, 8], [0, 0, 4, 7]]
    patched(path, 254, "<h", 0)
    assert affine() == [[5, 0, 0, -1], [0, 6, 0, -2], [0, 0, 7, -3]]
    patched(path, 252, "<h", 0)
    assert np.abs(np.diag(np.array(affine())[:, :3])).tolist() == [5, 6, 7]


def test_an_affine_that_is_not_finite_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 280, "<f", float("nan"))
    assert "not finite" in reason(patched(path, 252, "<hh", 0, 1))


@pytest.mark.parametrize(
    ("sizes", "codes", "sform", "problems"),
    [
        ((2, 3, 4), (1, 1), (2, 3, 4), ()),
        ((2, 3, 4), (1, 1), (-2, 3, 4), ("geometry_contradicts",)),
        ((2, 3, 4), (1, 4), (2, -3, 4), ("geometry_contradicts",)),
        ((2, 3, 4), (1, 1), (-2, -3, 4), ("geometry_contradicts",)),
        ((2, 3, 4), (1, 2), (-2, -3, 4), ()),
        ((5, 3, 4), (0, 1), (2, 3, 4), ("geometry_contradicts",)),
        ((2, 3, 4), (1, 4), (2.4, 3.5, 4.5), ()),
        ((2, 3, 4), (1, 4), (5, 3, 4), ("geometry_contradicts",)),
        ((0, 0, 0), (0, 1), (2, 3, 4), ()),
    ],
)
def test_forms_that_contradict_each_other_are_told(
    save: Save,
    sizes: tuple[float, ...],
    codes: tuple[int, int],
    sform: tuple[float, ...],
    problems: tuple[str, ...],
) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8))
    patched(path, 252, "<hh", *codes)
    patched(path, 76, "<4f", 1.0, *sizes)
    patched(path, 256, "<6f", *[0.0] * 6)
    x, y, z = sform
    patched(path, 280, "<12f", x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0)
    affine, told = geometry(path)
    assert [affine[n][n] for n in range(3)] == pytest.approx(sform)
    assert told == problems
