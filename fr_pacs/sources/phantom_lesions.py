"""Where the lesions of a phantom are: in white matter, apart from each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom_draws import Doubles, Draws
from fr_pacs.sources.phantom_shapes import Blend, ellipsoid
from fr_pacs.sources.phantom_view import VIEW_MM, View, shares
from fr_pacs.sources.template import SHAPE, cells

_POINTS = 8192  # one in ten lies in white matter; as many tries there are to place all lesions
_APART_MM = 3.0
_FORM = (0.75, 1.3)  # semi-axes over the radius drawn
_VOXELS_MIN = 3
_THIRD = 0.5773502691896258  # 1 / sqrt(3)
_AROUND = np.array(
    [(s, 0, 0) for s in (-1, 1)]
    + [(0, s, 0) for s in (-1, 1)]
    + [(0, 0, s) for s in (-1, 1)]
    + [(a * _THIRD, b * _THIRD, c * _THIRD) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)],
    dtype=np.float64,
)
_IN_WHITE_MIN = 11  # of the 14 points around; the others may lie in grey matter


@dataclass(frozen=True, slots=True)
class Placed:
    """A lesion on the voxel grid."""

    blend: Blend
    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]


def place_lesions(
    draws: Draws,
    view: View,
    *,
    count: int,
    radius_mm: tuple[float, float],
    contrast: tuple[float, float],
) -> list[Placed]:
    """Up to ``count`` lesions that do not touch: those that fit and that the grid can show."""
    points = [draws.uniforms(_POINTS, -0.5 * mm, 0.5 * mm) for mm in VIEW_MM]
    white, grey = shares("white"), shares("grey")
    inside = iter(np.flatnonzero(white[_codes(view, *points)] > 0.9).tolist())
    placed: list[Placed] = []
    for _ in range(count):
        radius = draws.uniform(*radius_mm)
        x, y, z = (radius * draws.uniform(*_FORM) for _ in range(3))
        radii, turn = (x, y, z), draws.rotation()
        intensity = draws.uniform(*contrast)
        for point in inside:
            centre = (float(points[0][point]), float(points[1][point]), float(points[2][point]))
            if _too_near(centre, max(radii), placed):
                continue
            if not _in_white(view, centre, radii, turn, white, grey):
                continue
            blend = ellipsoid(view.axes, view.edges, centre, radii, turn, intensity)
            if blend is not None and np.count_nonzero(blend.filled >= 0.5) >= _VOXELS_MIN:
                placed.append(Placed(blend, centre, radii))
            break
    return placed


def _too_near(centre: tuple[float, float, float], reach: float, placed: list[Placed]) -> bool:
    for other in placed:
        square = sum((a - b) * (a - b) for a, b in zip(centre, other.centre_mm, strict=True))
        apart = reach + max(other.radii_mm) + _APART_MM
        if square < apart * apart:
            return True
    return False


def _in_white(
    view: View,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    turn: Doubles,
    white: Doubles,
    grey: Doubles,
) -> bool:
    around = _AROUND * np.array(radii)
    x, y, z = (
        centre[axis] + turn[axis, 0] * around[:, 0] + turn[axis, 1] * around[:, 1]
        + turn[axis, 2] * around[:, 2]
        for axis in range(3)
    )  # fmt: skip
    codes = _codes(view, x, y, z)
    brain = white[codes] + grey[codes] > 0.7
    return bool(brain.all()) and int(np.count_nonzero(white[codes] > 0.5)) >= _IN_WHITE_MIN


def _codes(view: View, x: Doubles, y: Doubles, z: Doubles) -> npt.NDArray[np.uint8]:
    """The template's codes at points in mm."""
    column, row, plane = (
        np.clip(np.floor(part + 0.5), 0, n - 1).astype(np.int64)
        for part, n in zip(view.cells(x, y, z), SHAPE, strict=True)
    )
    return cells()[plane, row, column]
