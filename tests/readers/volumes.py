"""Volumes that two readers made of one input, and whether they are the same."""

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

_NEAR_MM = 2e-3
"""dcm2niix writes affines of float32."""
_NEAR = 1e-5
"""Of the largest value: scaled values are float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Values, and where they lie."""

    values: npt.NDArray[Any]
    """(i, j, k)."""
    affine: npt.NDArray[np.float64] | None
    """4x4, voxel indices to mm, RAS+."""

    def is_same(self, other: "Volume") -> bool:
        """Whether both have the same values at the same places, in whatever order of the axes."""
        if self.affine is None or other.affine is None:
            # Nothing says where they lie: dcm2niix stores rows from the bottom to the top.
            flipped = (self.values, self.values[:, ::-1])
            return any(_has_same_values(one, other.values) for one in flipped)
        mine, theirs = self._canonical(), other._canonical()
        return (
            mine.shape == theirs.shape
            and _has_same_values(mine.get_fdata(), theirs.get_fdata())
            and bool(np.allclose(mine.affine, theirs.affine, rtol=1e-5, atol=_NEAR_MM))
        )

    def _canonical(self) -> Any:
        image: Any = nib.Nifti1Image(  # type: ignore[no-untyped-call]
            self.values.astype(np.float64), self.affine
        )
        return nib.as_closest_canonical(image)  # type: ignore[no-untyped-call]


def same(some: list[Volume], others: list[Volume]) -> bool:
    """Whether two lists have the same volumes, in any order."""
    left = list(others)
    for volume in some:
        found = next((n for n, other in enumerate(left) if volume.is_same(other)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _has_same_values(one: npt.NDArray[Any], two: npt.NDArray[Any]) -> bool:
    if one.shape != two.shape:
        return False
    largest = float(np.nanmax(np.abs(one), initial=0.0)) if one.size else 0.0
    return bool(np.allclose(one, two, rtol=1e-5, atol=_NEAR * largest, equal_nan=True))
