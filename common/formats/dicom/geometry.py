"""Slices in space: checks that they form a regular, complete volume, and its affine.

Source: the Image Plane module, DICOM PS3.3 C.7.6.2.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from common.domain.affine import Affine
from common.errors import SourceError
from common.formats.dicom.slices import Geometry, Slice, Vector

_COINCIDENT_MM = 0.01  # slices closer than this have one position
_TOLERANCE = 1e-3  # by which direction cosines and pixel spacings (mm) of one series may differ


def check_consistent(slices: Sequence[Slice]) -> None:
    """Check that the slices of one series differ in nothing but their position.

    Raises:
        SourceError: they differ in shape, pixel type, orientation or spacing, or a slice has no
            geometry.
    """
    lost = [plane for plane in slices if plane.geometry is None]
    if lost:
        raise SourceError(
            "no geometry: ImagePositionPatient, ImageOrientationPatient or PixelSpacing "
            f"is missing or not valid in {_some([plane.label for plane in lost])}"
        )
    _same(slices, "shapes (columns, rows)", lambda plane: (plane.columns, plane.rows))
    _same(slices, "pixel types (bits)", lambda plane: (plane.bits,))
    _same(slices, "orientations (direction cosines)", lambda plane: _placed(plane).cosines)
    _same(slices, "pixel spacings (mm)", lambda plane: _placed(plane).spacing)


def _placed(plane: Slice) -> Geometry:
    if plane.geometry is None:
        raise SourceError(f"no geometry in {plane.label}")
    return plane.geometry


def _same(slices: Sequence[Slice], what: str, trait: Callable[[Slice], Vector]) -> None:
    groups: dict[Vector, list[Slice]] = {}
    for plane in slices:
        value = trait(plane)
        # With a tolerance instead of rounding, which can separate values that are nearly equal.
        near = (seen for seen in groups if np.allclose(seen, value, rtol=0, atol=_TOLERANCE))
        groups.setdefault(value if value in groups else next(near, value), []).append(plane)
    if len(groups) > 1:
        groups_text = "; ".join(
            f"({', '.join(f'{number:g}' for number in value)}) in "
            + _some([plane.label for plane in members])
            for value, members in list(groups.items())[:3]
        )
        raise SourceError(
            f"mixed {what} in one series: {groups_text}; send each kind as its own series"
        )


def _some(names: Sequence[str]) -> str:
    """The first names: enough to find the others."""
    first = ", ".join(dict.fromkeys(names[:3]))
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first


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
    # Some scanners round positions to 0.1 mm; never accept an error of a quarter of a voxel.
    tolerance = min(max(0.05 * usual, 0.1), 0.25 * usual)
    line = np.linspace(positions[0], positions[-1], len(planes))
    off = np.linalg.norm(positions - line, axis=1)
    if (uneven := float(np.ptp(steps))) > 2 * tolerance or off.max() > 2 * tolerance:
        worst = planes[int(off.argmax())].name
        raise SourceError(
            f"slices are not evenly spaced along a line: steps differ by {uneven:.2f} mm, "
            f"{worst} is off by {off.max():.2f} mm; resample them, or export the series again"
        )
