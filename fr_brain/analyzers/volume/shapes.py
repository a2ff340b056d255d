"""Shapes of candidates, and morphology on small masks (booleans, axes z, y, x).

Own method: a lesion is compared with a ball or a disc of its size. ``METHOD.md`` explains the
constants.
"""

import math

import numpy as np

from fr_brain.analyzers.volume.image import Bools

FINE_MM = 2.5
"""Largest edge of a voxel, along an axis where shapes mean something."""
SHAPE_VOXELS_MIN = 60
"""Voxels of a mask, below which its shape says nothing."""

_BALL_SURFACE, _BALL_POWER = 1.9, -0.22  # share of a ball's voxels on its surface, by its voxels
_FLAT_POWER = 0.7  # of how much more surface a ball has in flat voxels
_DIRECTIONS = 200  # on a half sphere
_IN_SLICE = 2  # axes of a slice


def is_thick(spacing_mm: tuple[float, float, float]) -> bool:
    """Whether slices are thick, so that shapes across them mean little."""
    return len(fine_axes(spacing_mm)) < 3


def surface_over_ball(mask: Bools, spacing_mm: tuple[float, float, float]) -> float | None:
    """A lesion's voxels on its surface over those of a ball of its size: sheets have more. None
    where it is too small to tell, or slices are thick."""
    count = int(np.count_nonzero(mask))
    if count < SHAPE_VOXELS_MIN or is_thick(spacing_mm):
        return None
    surface = 1 - int(np.count_nonzero(eroded(mask, [0, 1, 2]))) / count
    ball = _BALL_SURFACE * count**_BALL_POWER
    if max(spacing_mm) > min(spacing_mm):
        flat = ball_surface(count, spacing_mm) / ball_surface(count, (1.0, 1.0, 1.0))
        ball *= flat**_FLAT_POWER
    return surface / float(ball)


def ball_surface(count: int, spacing_mm: tuple[float, float, float]) -> float:
    """The share of a ball's voxels that have a voxel of another kind beside them along an axis.

    A voxel at x is none of them if the ball, of radius r, contains x and its neighbours, at a
    distance of an edge e along each axis: x² + 2 e |x along the axis| + e² <= r². The share of the
    ball where this holds is integrated over directions.

    Args:
        count: voxels of the ball.
        spacing_mm: edges of a voxel; only their ratios matter.
    """
    edges = np.array(spacing_mm) / math.prod(spacing_mm) ** (1 / 3)
    radius = (3 * count / (4 * math.pi)) ** (1 / 3)
    # A spiral from the pole to the equator covers a half sphere evenly.
    steps = (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS
    height, turn = 1 - steps, steps * _DIRECTIONS * math.pi * (1 + math.sqrt(5))
    across = np.sqrt(1 - height**2)
    along = edges * np.abs(np.stack([height, across * np.cos(turn), across * np.sin(turn)], axis=1))
    reach = np.sqrt(np.maximum(along**2 - edges**2 + radius**2, 0)) - along
    inside = np.maximum(reach.min(axis=1), 0)
    return float(1 - (inside**3).mean() / radius**3)


def edge_over_disc(mask: Bools, spacing_mm: tuple[float, float, float]) -> float:
    """The voxels at a lesion's edge within thick slices over those of discs of its areas there:
    linings and caps have more. 0 where slices are thin."""
    fine = fine_axes(spacing_mm)
    if len(fine) != _IN_SLICE:
        return 0.0
    areas = np.count_nonzero(mask, axis=tuple(fine))
    beside = dilate(~mask, [int(axis in fine) for axis in range(3)])
    edge = np.count_nonzero(mask & beside)
    return float(edge / np.minimum(areas, 2 * np.sqrt(np.pi * areas)).sum())


def length_over_width(mask: Bools, spacing_mm: tuple[float, float, float]) -> float:
    """How long a lesion is within thick slices, over its width: standard deviations of its
    voxels. 0 where slices are thin."""
    fine = fine_axes(spacing_mm)
    if len(fine) != _IN_SLICE:
        return 0.0
    places = np.nonzero(mask)
    one, other = (places[axis] * spacing_mm[axis] for axis in fine)
    both = np.cov(one, other, bias=True)
    # That of a voxel keeps a single row from being infinitely long.
    both += np.diag([spacing_mm[axis] ** 2 / 12 for axis in fine])
    least, most = np.linalg.eigvalsh(both)
    return float(np.sqrt(most / least))


def steps_of(mm: float, spacing_mm: tuple[float, float, float]) -> list[int]:
    """A distance in voxels along z, y, x, at least one."""
    return [max(1, round(mm / edge)) for edge in spacing_mm]


def dilate(mask: Bools, steps: list[int]) -> Bools:
    """Dilate by a box of ``steps`` voxels to both sides along z, y, x."""
    for axis, count in enumerate(steps):
        for _ in range(count):
            mask = _dilate_axis(mask, axis)
    return mask


def fine_axes(spacing_mm: tuple[float, float, float]) -> list[int]:
    """The axes (0: z, 1: y, 2: x) whose voxels are fine enough for shapes."""
    return [axis for axis, mm in enumerate(spacing_mm) if mm < FINE_MM]


def eroded(mask: Bools, axes: list[int]) -> Bools:
    """Erode by a voxel to both sides along some axes."""
    core = mask.copy()
    for axis in axes:
        core &= ~_dilate_axis(~mask, axis)
    return core


def _dilate_axis(mask: Bools, axis: int) -> Bools:
    out = mask.copy()
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] |= mask[tuple(behind)]
    out[tuple(behind)] |= mask[tuple(ahead)]
    return out
