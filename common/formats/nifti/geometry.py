"""Where the voxels of a NIfTI file lie in space: NIfTI-1 ``sform``, ``qform``, ``pixdim``.

Methods 1 to 3 of https://nifti.nimh.nih.gov/nifti-1, read as the standard's own library does
(nifti1_io.c, as in ITK), and a form that says nothing as fMRIPrep does: as if it were absent.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.affine import Affine
from common.errors import SourceError

_MM = {1: 1000.0, 3: 0.001}  # the lower bits of xyzt_units: metres, microns; the others are mm
_SPACE_UNITS = 0x07
_SINGULAR = 1e-9
_UNIT_MAX = 1.01
"""Of b² + c² + d²: up to here, what is more than 1 is a rounding error."""

_SCANNER = 1
"""The code of a form in the space of the scanner."""
_SAME_SIZE, _ATLAS_SIZE = 1.05, 2.0
"""Up to these ratios a form's voxel sizes agree with ``pixdim``: forms may have a shear."""
_SAME_AXIS = 0.9
"""The cosine of 26 degrees: forms may be of different scans of one session."""

_Matrix = npt.NDArray[np.float64]


def affine_of(header: Any) -> tuple[Affine | None, tuple[str, ...]]:
    """The affine that maps voxel indices (i, j, k) to mm, RAS+: the first three rows of 4x4.

    In the order of the standard's methods 3, 2 and 1: the sform if ``sform_code`` > 0, else the
    qform if ``qform_code`` > 0, else the voxel sizes (``pixdim``) alone. An sform that is all zero,
    singular or not finite gives way to a usable qform.

    Args:
        header: nibabel's ``Nifti1Header`` or ``Nifti2Header``, as it is in the file.

    Returns:
        The affine, None if not even the voxel sizes are known; and ``geometry_unknown`` among the
        problems if the orientation is a guess.

    Raises:
        SourceError: a form that the header declares is not finite or singular, and no other one
            is usable.
    """
    sizes = _sizes(header)
    sform = _sform(header) if header["sform_code"] > 0 else None
    qform = _qform(header, sizes) if header["qform_code"] > 0 else None
    declared = [form for form in (sform, qform) if form is not None and form[:, :3].any()]
    usable = next((form for form in declared if _is_usable(form)), None)
    problems: tuple[str, ...] = ()
    if usable is None:
        if declared:
            raise SourceError(_why(declared[0]))
        if not (np.isfinite(sizes).all() and sizes.all()):
            return None, ("geometry_unknown",)
        usable = np.column_stack([np.diag(sizes), np.zeros(3)])
        problems = ("geometry_unknown",)
    elif usable is qform and _squared(header) > _UNIT_MAX:
        problems = ("geometry_unknown",)
    if _contradict(header, sizes, sform, qform):
        problems = (*problems, "geometry_contradicts")
    usable = usable * _MM.get(int(header["xyzt_units"]) & _SPACE_UNITS, 1.0)
    usable += 0.0  # turns -0.0 into 0.0
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in usable)
    return (x, y, z), problems


def _contradict(header: Any, sizes: _Matrix, sform: _Matrix | None, qform: _Matrix | None) -> bool:
    """Whether the forms and the voxel sizes cannot all be true.

    No space is the mirror image of another one. Forms of one space have the same axes; in that of
    the scanner, also the voxel sizes. An atlas may be larger or smaller than the head.
    """
    if sform is None or not _is_usable(sform):
        return False
    lengths = np.linalg.norm(sform[:, :3], axis=0)
    known = np.isfinite(sizes) & (sizes > 0)
    ratios = lengths[known] / sizes[known]
    most = _SAME_SIZE if header["sform_code"] == _SCANNER else _ATLAS_SIZE
    if (np.maximum(ratios, 1 / ratios) > most).any():
        return True
    if qform is None or not _is_usable(qform) or _squared(header) > _UNIT_MAX:
        return False
    if np.linalg.det(sform[:, :3]) * np.linalg.det(qform[:, :3]) < 0:
        return True
    axes = sform[:, :3] / lengths, qform[:, :3] / np.linalg.norm(qform[:, :3], axis=0)
    along = (axes[0] * axes[1]).sum(axis=0)
    return bool(header["sform_code"] == header["qform_code"] and (along < _SAME_AXIS).any())


def _sizes(header: Any) -> _Matrix:
    """The voxel sizes; 1 where an axis has one voxel, or is none, and the header has no size."""
    dims = header["dim"]
    lengths = [int(dims[axis]) if axis <= dims[0] else 1 for axis in (1, 2, 3)]
    sizes = np.abs(np.array(header["pixdim"][1:4], np.float64))
    sizes[(np.array(lengths) <= 1) & (sizes == 0)] = 1.0
    return sizes


def _sform(header: Any) -> _Matrix:
    return np.array([header[f"srow_{axis}"] for axis in "xyz"], np.float64)


def _squared(header: Any) -> float:
    """b² + c² + d² of the quaternion."""
    return float(sum(float(header[f"quatern_{part}"]) ** 2 for part in "bcd"))


def _qform(header: Any, sizes: _Matrix) -> _Matrix:
    """Method 2, as nifti_quatern_to_mat44 of nifti1_io.c computes it."""
    b, c, d = (float(header[f"quatern_{part}"]) for part in "bcd")
    squared = _squared(header)
    if squared > 1:  # by rounding, as a rule: half a turn
        length = np.sqrt(squared)
        a, b, c, d = 0.0, b / length, c / length, d / length
    else:
        a = float(np.sqrt(1 - squared))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    qfac = -1.0 if header["pixdim"][0] < 0 else 1.0
    place = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return np.column_stack([rotation * sizes * [1.0, 1.0, qfac], place])


def check_usable(form: npt.NDArray[np.float64]) -> None:
    """Check that an affine, 3x4, places voxels in space.

    Raises:
        SourceError: it is not finite, or singular.
    """
    if not _is_usable(form):
        raise SourceError(_why(form))


def _is_usable(form: _Matrix) -> bool:
    return bool(np.isfinite(form).all()) and not _is_singular(form)


def _is_singular(form: _Matrix) -> bool:
    lengths = np.linalg.norm(form[:, :3], axis=0)
    return bool(abs(np.linalg.det(form[:, :3])) <= _SINGULAR * np.prod(lengths))


def _why(form: _Matrix) -> str:
    if not np.isfinite(form).all():
        return "the affine in the header is not finite: correct it (sform, qform), or export again"
    return (
        "the affine in the header is singular, it places all voxels in one plane: correct it "
        "(sform, qform), or export again"
    )
