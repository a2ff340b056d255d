"""Tissue maps with a known place in MNI space: the template, seen through an affine transform."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.registration.template import Field, channels
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap

Matrix = npt.NDArray[np.float64]


def rotation(x: float, y: float, z: float) -> Matrix:
    """A rotation about the three axes in turn, degrees."""
    out = np.eye(3)
    for axis, degrees in enumerate((x, y, z)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        one = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        one[first, first] = one[second, second] = c
        one[first, second], one[second, first] = -s, s
        out = one @ out
    return out


def affine_of(linear: Any, shift: Any) -> Matrix:
    """An affine transform, 3 x 4."""
    return np.column_stack([np.array(linear, float), np.array(shift, float)])


def seen(to_mni: Matrix, spacing_mm: tuple[float, float, float] = (4, 4, 4)) -> TissueMap:
    """The template as a scan would see it whose mm become MNI mm by ``to_mni``.

    Args:
        to_mni: 3 x 4.
        spacing_mm: blocks along z, y, x.
    """
    back = np.linalg.inv(to_mni[:, :3])
    middle = back @ (np.array([0.0, -18.0, 8.0]) - to_mni[:, 3])
    shape = [round(264 / mm) for mm in spacing_mm]
    linear = np.zeros((3, 3))
    for axis, mm in enumerate(spacing_mm):
        linear[2 - axis, axis] = mm
    offset = middle - linear @ [(n - 1) / 2 for n in shape]
    none = np.zeros(shape, np.float32)
    blocks = TissueMap(none, none, none, np.column_stack([linear, offset]))
    named = channels()
    points = blocks.points() @ to_mni[:, :3].T + to_mni[:, 3]
    values, _ = Field([named[name] for name in ("grey", "white", "inside")]).at(
        points.astype(np.float32)
    )
    grey, white, inside = (value.reshape(shape) for value in values)
    return TissueMap(grey, white, inside, blocks.to_mm)


def error_mm(found: Matrix, true: Matrix) -> float:
    """The largest distance between two transforms' results within a head, mm."""
    back = np.linalg.inv(true[:, :3])
    corners = np.array(np.meshgrid((-60, 60), (-95, 60), (-50, 70))).reshape(3, -1)
    scan = back @ (corners - true[:, 3:])
    return float(np.linalg.norm(found[:, :3] @ scan + found[:, 3:] - corners, axis=0).max())
