"""Where the lesions of a phantom are: in white matter, apart from each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Doubles, Draws
from fr_pacs.sources.phantom.shapes import Blend, ellipsoid
from fr_pacs.sources.phantom.template import SHAPE, cells
from fr_pacs.sources.phantom.view import VIEW_MM, View, shares

_POINTS = 8192  # one in ten lies in white matter; as many tries there are to place all lesions
_AT_ONCE = 8
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
    points = np.stack([draws.uniforms(_POINTS, -0.5 * mm, 0.5 * mm) for mm in VIEW_MM], axis=1)
    white, grey = shares("white"), shares("grey")
    points = points[white[_codes(view, points)] > 0.9]
    placed: list[Placed] = []
    tried = 0
    for _ in range(count):
        radius = draws.uniform(*radius_mm)
        x, y, z = (radius * draws.uniform(*_FORM) for _ in range(3))
        radii, turn = (x, y, z), draws.rotation()
        intensity = draws.uniform(*contrast)
        around = _turned(_AROUND * np.array(radii), turn)
        centre = None
        while centre is None and tried < len(points):
            some = points[tried : tried + _AT_ONCE]
            codes = _codes(view, (some[:, None, :] + around).reshape(-1, 3))
            fits = _in_white(white[codes], grey[codes])
            tried += len(some)
            for number in np.flatnonzero(fits).tolist():
                if not _too_near(some[number].tolist(), max(radii), placed):
                    centre = some[number].tolist()
                    tried -= len(some) - number - 1  # the rest may fit another
                    break
        if centre is None:
            break
        where = (centre[0], centre[1], centre[2])
        blend = ellipsoid(view.axes, view.edges, where, radii, turn, intensity)
        if blend is not None and np.count_nonzero(blend.filled >= 0.5) >= _VOXELS_MIN:
            placed.append(Placed(blend, where, radii))
    return placed


def _turned(points: Doubles, turn: Doubles) -> Doubles:
    """Points (n x 3) turned about zero; no matrix product, whose sums hang on the machine."""
    parts = [points[:, axis, None] * turn[None, :, axis] for axis in range(3)]
    return parts[0] + parts[1] + parts[2]


def _too_near(centre: list[float], reach: float, placed: list[Placed]) -> bool:
    for other in placed:
        square = sum((a - b) * (a - b) for a, b in zip(centre, other.centre_mm, strict=True))
        apart = reach + max(other.radii_mm) + _APART_MM
        if square < apart * apart:
            return True
    return False


def _in_white(white: Doubles, grey: Doubles) -> npt.NDArray[np.bool_]:
    """Of places with as many points around each as ``_AROUND`` has: whether white matter is."""
    brain = (white + grey > 0.7).reshape(-1, len(_AROUND)).all(axis=1)
    mostly = (white > 0.5).reshape(-1, len(_AROUND)).sum(axis=1) >= _IN_WHITE_MIN
    return np.asarray(brain & mostly)


def _codes(view: View, points: Doubles) -> npt.NDArray[np.uint8]:
    """The template's codes at points in mm (n x 3)."""
    x, y, z = points.T
    column, row, plane = (
        np.clip(np.floor(part + 0.5), 0, n - 1).astype(np.int64)
        for part, n in zip(view.cells(x, y, z), SHAPE, strict=True)
    )
    return cells()[plane, row, column]
