"""The slices of a volume and their orientation in the picture, as radiologists view them.

A volume is seen along the axes x (to the person's right), y (to the front) and z (up), whatever the
order of its own axes; an oblique one is shown in its own planes. In each slice the person's right
is on the left, the front is on top or on the left, and up is on top.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan

Array = npt.NDArray[Any]
Index = tuple[float, float, float]
"""A voxel index along x, y, z."""

_SAMPLE = 200_000  # voxels that give the intensity window


@dataclass(frozen=True)
class Plane:
    """A direction of slices; axes 0, 1, 2 are x, y, z; ``across`` lies horizontally."""

    name: str
    normal: int
    across: int
    down: int
    sides: tuple[str, str, str, str]
    """Labels for left, right, top, bottom."""


AXIAL = Plane("axial", 2, 0, 1, ("R", "L", "A", "P"))
CORONAL = Plane("coronal", 1, 0, 2, ("R", "L", "S", "I"))
SAGITTAL = Plane("sagittal", 0, 1, 2, ("A", "P", "S", "I"))
PLANES = (AXIAL, CORONAL, SAGITTAL)

_ENDS = (("R", "L"), ("A", "P"), ("S", "I"))


class AnatomicalAxes:
    """Maps a scan's own axes to x, y, z.

    Args:
        scan: the header of a scan of three axes.
    """

    def __init__(self, scan: BrainScan) -> None:
        orientation = scan.orientation
        self.placed = orientation is not None
        ends = ("LR", "PA", "IS")
        order = (0, 1, 2)
        if orientation is not None:
            x, y, z = (
                next(i for i, label in enumerate(orientation) if label in end) for end in ends
            )
            order = (x, y, z)
        self._order = order
        self._flipped = tuple((orientation or "RAS")[axis] in "LPI" for axis in order)
        sizes = scan.voxel_size_mm or (1.0, 1.0, 1.0)
        self.voxel_mm = (sizes[order[0]], sizes[order[1]], sizes[order[2]])
        self.shape = (scan.shape[order[0]], scan.shape[order[1]], scan.shape[order[2]])
        self._affine = None if scan.affine is None else np.array(scan.affine)

    def to_anatomical(self, array: Array) -> Array:
        """A view of an array of the scan's shape, with the axes x, y, z."""
        view = array.transpose(self._order)
        return view[tuple(slice(None, None, -1 if flip else 1) for flip in self._flipped)]

    def index(self, own: tuple[float, ...]) -> Index:
        """A voxel index in the scan's own axes, as one along x, y, z."""
        x, y, z = (
            n - 1 - own[axis] if flip else own[axis]
            for axis, flip, n in zip(self._order, self._flipped, self.shape, strict=True)
        )
        return x, y, z

    def position_text(self, at: Index, axis: int) -> str:
        """The position of an index along an axis, such as 'S 12 mm', or 'voxel 7' without an
        affine."""
        if self._affine is None:
            return f"voxel {at[axis]:.0f}"
        own = [0.0, 0.0, 0.0]
        for value, its, flip, n in zip(at, self._order, self._flipped, self.shape, strict=True):
            own[its] = n - 1 - value if flip else value
        mm = float((self._affine[:, :3] @ own + self._affine[:, 3])[axis])
        return f"{_ENDS[axis][round(mm) < 0]} {abs(mm):.0f} mm"

    @property
    def tilt_degrees(self) -> float:
        """Largest angle between an axis of the scan and the direction it is shown as, degrees."""
        if self._affine is None:
            return 0.0
        columns = self._affine[:, :3] / np.linalg.norm(self._affine[:, :3], axis=0)
        cosines = [abs(columns[world, own]) for world, own in enumerate(self._order)]
        return math.degrees(math.acos(min(1.0, min(cosines))))

    def extent_mm(self, axis: int) -> float:
        """Length of the field of view along an axis (0: x, 1: y, 2: z), mm."""
        return self.shape[axis] * self.voxel_mm[axis]


def slice_at(view: Array, plane: Plane, at: Index) -> Array:
    """The slice of a volume through an index, oriented for the picture.

    Args:
        view: array with the axes x, y, z.
        plane: the direction of the slice.
        at: the index; clipped to the volume.

    Returns:
        Rows x columns, from the upper left.
    """
    place = min(max(round(at[plane.normal]), 0), view.shape[plane.normal] - 1)
    plane_values: Array = np.take(view, place, axis=plane.normal)
    return plane_values.T[::-1, ::-1]


def intensity_window(voxels: Array, inside: Array | None = None) -> tuple[float, float]:
    """The intensities shown as black and white.

    Robust percentiles (1 of all, 99.7 of the bright or inner voxels), so that a few very bright
    voxels (fat, vessels) do not darken the rest.

    Args:
        voxels: any real dtype and number of axes.
        inside: booleans of the same shape, the brain if it is known.
    """
    every = max(1, math.ceil((voxels.size / _SAMPLE) ** (1 / voxels.ndim)))
    thin = tuple(slice(min(every, n) // 2, None, min(every, max(1, n // 4))) for n in voxels.shape)
    sample = voxels[thin].astype(np.float64)
    finite = np.isfinite(sample)
    if not finite.any():
        return 0.0, 1.0
    low = float(np.percentile(sample[finite], 1))
    bright = finite & (sample > sample[finite].mean())
    if inside is not None and (inside[thin] & finite).any():
        bright = inside[thin] & finite
    high = float(np.percentile(sample[bright], 99.7)) if bright.any() else low
    if not high > low:
        low, high = float(sample[finite].min()), float(sample[finite].max())
    # A constant image becomes grey. Adding 1 to a very large double would change nothing.
    return (low, high) if high > low else (low - max(1.0, abs(low)), low + max(1.0, abs(low)))
