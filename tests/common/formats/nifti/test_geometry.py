"""The affine of a NIfTI file, in mm."""

import numpy as np
import pytest

from tests.common.formats.nifti.nifti_files import Save, patched, read_volume, reason, volumes_in


def test_an_affine_in_metres_or_microns_is_made_millimetres(save: Save) -> None:
    for units, size in ((1, 1000.0), (2, 1.0), (3, 0.001)):
        path = save(np.zeros((2, 2, 2), np.uint8), xyzt_units=units)
        _, affine = read_volume(volumes_in(path, "label")[0])
        assert affine[0][0] == pytest.approx(size)


def test_a_singular_affine_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 280, "<12f", *[0.0] * 12)  # srow_*
    patched(path, 254, "<h", 1)  # sform_code
    assert "singular" in reason(path)


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
    assert "not finite" in reason(patched(path, 254, "<h", 1))
