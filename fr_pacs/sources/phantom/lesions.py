"""Places the lesions of a phantom: in white matter, apart from each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Draws, Float64Array
from fr_pacs.sources.phantom.shapes import Blend, ellipsoid
from fr_pacs.sources.phantom.template import SHAPE, cells
from fr_pacs.sources.phantom.view import VIEW_MM, View, shares

_POINTS = 8192  # candidate centres; one in ten lies in white matter
_AT_ONCE = 8  # candidates tested together
_APART_MM = 3.0
_FORM = (0.75, 1.3)  # semi-axes, relative to the radius drawn
_VOXELS_MIN = 3  # a smaller lesion is left out
_THIRD = 0.5773502691896258  # 1 / sqrt(3)
_AROUND = np.array(
    [(s, 0, 0) for s in (-1, 1)]
    + [(0, s, 0) for s in (-1, 1)]
    + [(0, 0, s) for s in (-1, 1)]
    + [(a * _THIRD, b * _THIRD, c * _THIRD) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)],
    dtype=np.float64,
)
_IN_WHITE_MIN = 11  # of the 14 points of _AROUND; the others may lie in grey matter


@dataclass(frozen=True, slots=True)
class PlacedLesion:
    """A lesion on the voxel grid."""

    blend: Blend
    centre_mm: tuple[float, float, float]
    """x, y, z, RAS+."""
    radii_mm: tuple[float, float, float]
    """Semi-axes before rotation."""


def place_lesions(
    draws: Draws,
    view: View,
    *,
    count: int,
    radius_mm: tuple[float, float],
    contrast: tuple[float, float],
) -> list[PlacedLesion]:
    """Place up to ``count`` lesions that do not touch: those that fit and that the grid can show.

    Args:
        draws: the random numbers.
        view: the anatomy and the voxel grid.
        count: how many to try to place.
        radius_mm: range of the mean radius.
        contrast: range of the intensity relative to white matter.
    """
    points = np.stack([draws.uniforms(_POINTS, -0.5 * mm, 0.5 * mm) for mm in VIEW_MM], axis=1)
    white, grey = shares("white"), shares("grey")
    points = points[white[_codes(view, points)] > 0.9]
    placed: list[PlacedLesion] = []
    tried = 0
    for _ in range(count):
        radius = draws.uniform(*radius_mm)
        x, y, z = (radius * draws.uniform(*_FORM) for _ in range(3))
        radii, rotation = (x, y, z), draws.rotation()
        intensity = draws.uniform(*contrast)
        around = _rotated(_AROUND * np.array(radii), rotation)
        centre = None
        while centre is None and tried < len(points):
            some = points[tried : tried + _AT_ONCE]
            codes = _codes(view, (some[:, None, :] + around).reshape(-1, 3))
            fits = _in_white(white[codes], grey[codes])
            tried += len(some)
            for number in np.flatnonzero(fits).tolist():
                if not _too_near(some[number].tolist(), max(radii), placed):
                    centre = some[number].tolist()
                    tried -= (
                        len(some) - number - 1
                    )  # the remaining candidates may fit another lesion
                    break
        if centre is None:
            break
        where = (centre[0], centre[1], centre[2])
        blend = ellipsoid(view.axes, view.spacing_mm, where, radii, rotation, intensity)
        if blend is not None and np.count_nonzero(blend.filled >= 0.5) >= _VOXELS_MIN:
            placed.append(PlacedLesion(blend, where, radii))
    return placed


def _rotated(points: Float64Array, rotation: Float64Array) -> Float64Array:
    """Points (n x 3) rotated about the origin; without a matrix product, whose rounding depends on
    the machine."""
    parts = [points[:, axis, None] * rotation[None, :, axis] for axis in range(3)]
    return parts[0] + parts[1] + parts[2]


def _too_near(centre: list[float], reach: float, placed: list[PlacedLesion]) -> bool:
    for other in placed:
        square = sum((a - b) * (a - b) for a, b in zip(centre, other.centre_mm, strict=True))
        apart = reach + max(other.radii_mm) + _APART_MM
        if square < apart * apart:
            return True
    return False


def _in_white(white: Float64Array, grey: Float64Array) -> npt.NDArray[np.bool_]:
    """Whether each candidate lies in white matter, by the tissues at the points around it.

    Args:
        white: share of white matter, len(_AROUND) points per candidate.
        grey: share of grey matter, likewise.
    """
    brain = (white + grey > 0.7).reshape(-1, len(_AROUND)).all(axis=1)
    mostly = (white > 0.5).reshape(-1, len(_AROUND)).sum(axis=1) >= _IN_WHITE_MIN
    return np.asarray(brain & mostly)


def _codes(view: View, points: Float64Array) -> npt.NDArray[np.uint8]:
    """The template's codes at points (n x 3, mm, RAS+)."""
    x, y, z = points.T
    column, row, plane = (
        np.clip(np.floor(part + 0.5), 0, n - 1).astype(np.int64)
        for part, n in zip(view.cells(x, y, z), SHAPE, strict=True)
    )
    return cells()[plane, row, column]
