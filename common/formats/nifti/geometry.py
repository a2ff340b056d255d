"""Where the voxels of a NIfTI file lie in space: NIfTI-1 ``sform``, ``qform``, ``xyzt_units``."""

from typing import Any

import numpy as np

from common.domain.affine import Affine
from common.errors import SourceError

_MM = {"meter": 1000.0, "micron": 0.001}  # xyzt_units; "unknown" is taken as mm
_SINGULAR = 1e-9


def affine_of(header: Any) -> Affine:
    """The affine that maps voxel indices (i, j, k) to mm, RAS+: the first three rows of 4x4.

    In the order of the standard's methods 3, 2 and 1: the sform if ``sform_code`` > 0, else the
    qform if ``qform_code`` > 0, else the voxel sizes (``pixdim``) alone.

    Args:
        header: nibabel's ``Nifti1Header`` or ``Nifti2Header``.

    Raises:
        SourceError: the affine is not finite, or is singular.
    """
    matrix = np.array(header.get_best_affine(), dtype=np.float64)[:3]
    matrix *= _MM.get(header.get_xyzt_units()[0], 1.0)
    matrix += 0.0  # turns -0.0 into 0.0
    if not np.isfinite(matrix).all():
        raise SourceError(
            "the affine in the header is not finite: correct its sform or qform, or export again"
        )
    lengths = np.linalg.norm(matrix[:, :3], axis=0)
    if abs(np.linalg.det(matrix[:, :3])) <= _SINGULAR * np.prod(lengths):
        raise SourceError(
            "the affine in the header is singular, it places all voxels in one plane: correct its "
            "sform or qform, or export again"
        )
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return x, y, z
