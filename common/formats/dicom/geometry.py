"""Slices in space: checks that they form a regular, complete volume, and its affine.

Source: the Image Plane module, DICOM PS3.3 C.7.6.2.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from common.domain.affine import Affine
from common.errors import SourceError
from common.formats.dicom.slices import Geometry, Slice

_COINCIDENT_MM = 0.01  # slices closer than this have one position
_STRAYS = 0.2  # the largest share of slices that can have strayed into a volume


def _placed(plane: Slice) -> Geometry:
    if plane.geometry is None:
        raise SourceError(f"no geometry in {plane.label}")
    return plane.geometry


def _distance(plane: Slice) -> float:
    return _placed(plane).distance


def coincident_pairs(slices: Sequence[Slice]) -> list[tuple[Slice, Slice]]:
    """Pairs of slices that have one position (within 0.01 mm along the normal)."""
    by_position = sorted(slices, key=_distance)
    return [
        (one, two)
        for one, two in pairwise(by_position)
        if _distance(two) - _distance(one) < _COINCIDENT_MM
    ]


def sort_by_position(slices: Sequence[Slice]) -> tuple[tuple[Slice, ...], Affine]:
    """Sort slices along their normal, and compute the affine of their volume (PS3.3 C.7.6.2.1.1).

    Returns:
        The slices in order, and the affine that maps (column, row, slice) to mm, RAS+: the first
        three rows of 4x4.

    Raises:
        SourceError: a slice is missing, or the slices are not evenly spaced along a line.
    """
    planes = tuple(sorted(slices, key=_distance))
    first = _placed(planes[0])
    positions = np.array([_placed(plane).position for plane in planes])
    if len(planes) == 1:
        step = np.array(first.normal) * first.thickness
    else:
        _check_spacing(planes, positions)
        _check_direction(first, positions)
        # From the positions, not along the normal: a tilted CT gantry shears the stack.
        step = (positions[-1] - positions[0]) / (len(planes) - 1)
    matrix = np.column_stack(
        [
            np.array(first.row) * first.spacing[1],
            np.array(first.column) * first.spacing[0],
            step,
            positions[0],
        ]
    )
    matrix[:2] *= -1  # LPS+ to RAS+
    matrix += 0.0  # turns -0.0 into 0.0
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return planes, (x, y, z)


def split_strays(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Separate single slices that do not lie on the grid of the others.

    Returns:
        The slices of the volume, and the strays: at most one in five, of five or more. Slices at a
        whole number of steps from the others are never strays: then slices between are missing.
    """
    planes = sorted(slices, key=_distance)
    if len(planes) < 5:
        return planes, []
    positions = np.array([_placed(plane).position for plane in planes])
    along = np.array([_distance(plane) for plane in planes])
    step = float(np.median(np.diff(along)))
    if step < _COINCIDENT_MM:
        return planes, []
    tolerance = _tolerance(step)
    # Each slice as the origin in turn; the one on whose line and grid most of the others lie.
    best = np.zeros(len(planes), bool)
    for k in range(min(len(planes) - 1, 2 * int(_STRAYS * len(planes)) + 2)):
        if abs(along[k + 1] - along[k] - step) > tolerance:
            continue
        count = np.rint((along - along[k]) / step)
        line = positions[k] + np.outer(count, positions[k + 1] - positions[k])
        # Rounded positions add up over many steps.
        near = np.minimum(tolerance * (2 + np.abs(count) * 0.1), 0.25 * step)
        on = np.linalg.norm(positions - line, axis=1) <= near
        best = on if on.sum() > best.sum() else best
    lost = len(planes) - int(best.sum())
    if not 0 < lost <= max(1, int(_STRAYS * len(planes))):
        return planes, []
    return (
        [plane for plane, on in zip(planes, best, strict=True) if on],
        [plane for plane, on in zip(planes, best, strict=True) if not on],
    )


def _tolerance(step: float) -> float:
    """Some scanners round positions to 0.1 mm; an error of a quarter of a voxel is never taken."""
    return min(max(0.05 * step, 0.1), 0.25 * step)


def _check_direction(first: Geometry, positions: npt.NDArray[np.float64]) -> None:
    """A gantry is tilted by 30 degrees at most; slices never follow each other within a plane."""
    step = positions[-1] - positions[0]
    if abs(float(step @ np.array(first.normal))) < 0.5 * float(np.linalg.norm(step)):
        raise SourceError(
            "slice positions do not match the orientation: slices are shifted sideways; export the "
            "whole series again"
        )


def _check_spacing(planes: Sequence[Slice], positions: npt.NDArray[np.float64]) -> None:
    distances = [_distance(plane) for plane in planes]
    steps = np.diff(distances)
    # The lower median: of two steps, 5 mm and 10 mm, the wide one is the gap.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    gaps = [k for k, step in enumerate(steps) if step > 1.5 * usual]
    if gaps:
        where = "; ".join(
            f"between {planes[k].name} and {planes[k + 1].name} ({steps[k]:.2f} mm apart)"
            for k in gaps[:3]
        )
        more = f" and {len(gaps) - 3} more gaps" if len(gaps) > 3 else ""
        raise SourceError(
            f"slice missing {where}{more}; the others are {usual:.2f} mm apart; "
            "export the whole series again"
        )
    tolerance = _tolerance(usual)
    line = np.linspace(positions[0], positions[-1], len(planes))
    off = np.linalg.norm(positions - line, axis=1)
    if (uneven := float(np.ptp(steps))) > 2 * tolerance or off.max() > 2 * tolerance:
        worst = planes[int(off.argmax())].name
        raise SourceError(
            f"slices are not evenly spaced along a line: steps differ by {uneven:.2f} mm, "
            f"{worst} is off by {off.max():.2f} mm; resample them, or export the series again"
        )
