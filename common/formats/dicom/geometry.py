"""Slices in space: that they are alike, evenly spaced and complete, and their volume's affine."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from common.domain.types import Affine
from common.errors import SourceError
from common.formats.dicom.slices import Geometry, Slice, Vector

_DUPLICATE_MM = 0.01  # slices closer than this are at one place
_ALIKE = 1e-3  # by which direction cosines and pixel spacings (mm) of one series may differ


def check_alike(slices: Sequence[Slice]) -> None:
    """Slices of one series are alike in all but their place.

    Raises:
        SourceError: they differ in shape, type, orientation or spacing, or are nowhere in space.
    """
    lost = [piece for piece in slices if piece.geometry is None]
    if lost:
        raise SourceError(
            "not placed in space: ImagePositionPatient, ImageOrientationPatient or PixelSpacing "
            f"is absent or not valid in {_some([piece.label for piece in lost])}"
        )
    _same(slices, "shapes (columns, rows)", lambda piece: (piece.columns, piece.rows))
    _same(slices, "pixel types (bits)", lambda piece: (piece.bits,))
    _same(slices, "orientations (direction cosines)", lambda piece: _placed(piece).plane)
    _same(slices, "pixel spacings (mm)", lambda piece: _placed(piece).spacing)


def _placed(piece: Slice) -> Geometry:
    if piece.geometry is None:
        raise SourceError(f"{piece.label} is not placed in space")
    return piece.geometry


def _same(slices: Sequence[Slice], what: str, trait: Callable[[Slice], Vector]) -> None:
    groups: dict[Vector, list[Slice]] = {}
    for piece in slices:
        value = trait(piece)
        # Compared with tolerance, not rounded: rounding parts neighbours at each half.
        near = (seen for seen in groups if np.allclose(seen, value, rtol=0, atol=_ALIKE))
        groups.setdefault(value if value in groups else next(near, value), []).append(piece)
    if len(groups) > 1:
        told = "; ".join(
            f"({', '.join(f'{number:g}' for number in value)}) in "
            + _some([piece.label for piece in members])
            for value, members in list(groups.items())[:3]
        )
        raise SourceError(f"mixed {what} in one series: {told}")


def _some(names: Sequence[str]) -> str:
    """Enough of the names to find the rest by."""
    told = ", ".join(dict.fromkeys(names[:3]))
    return f"{told} and {len(names) - 3} more" if len(names) > 3 else told


def _distance(piece: Slice) -> float:
    return _placed(piece).distance


def duplicates(slices: Sequence[Slice]) -> list[tuple[Slice, Slice]]:
    """Pairs of slices that are at one place."""
    by_place = sorted(slices, key=_distance)
    return [
        (one, two)
        for one, two in pairwise(by_place)
        if _distance(two) - _distance(one) < _DUPLICATE_MM
    ]


def ordered(slices: Sequence[Slice]) -> tuple[tuple[Slice, ...], Affine]:
    """The slices by position, and the affine of their volume.

    Raises:
        SourceError: a slice is missing, or they are not evenly spaced along a line.
    """
    pieces = tuple(sorted(slices, key=_distance))
    first = _placed(pieces[0])
    positions = np.array([_placed(piece).position for piece in pieces])
    if len(pieces) == 1:
        step = np.array(first.normal) * first.thickness
    else:
        _check_spacing(pieces, positions)
        # Not along the normal: a tilted CT gantry shears the stack, and the affine says so.
        step = (positions[-1] - positions[0]) / (len(pieces) - 1)
    # DICOM PS3.3 C.7.6.2.1.1; PixelSpacing is (between rows, between columns).
    matrix = np.column_stack(
        [
            np.array(first.row) * first.spacing[1],
            np.array(first.column) * first.spacing[0],
            step,
            positions[0],
        ]
    )
    matrix[:2] *= -1  # LPS+ to RAS+
    matrix += 0.0  # no -0.0
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return pieces, (x, y, z)


def _check_spacing(pieces: Sequence[Slice], positions: npt.NDArray[np.float64]) -> None:
    distances = [_distance(piece) for piece in pieces]
    steps = np.diff(distances)
    # The lower median: of two steps, 5 mm and 10 mm, the wide one is the gap.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    gaps = [k for k, step in enumerate(steps) if step > 1.5 * usual]
    if gaps:
        told = "; ".join(
            f"between {pieces[k].name} and {pieces[k + 1].name} ({steps[k]:.2f} mm apart)"
            for k in gaps[:3]
        )
        more = f" and {len(gaps) - 3} more gaps" if len(gaps) > 3 else ""
        raise SourceError(f"slice missing {told}{more}; the others are {usual:.2f} mm apart")
    # Positions are rounded by some scanners to 0.1 mm; a voxel is never off by a quarter.
    tolerance = min(max(0.05 * usual, 0.1), 0.25 * usual)
    line = np.linspace(positions[0], positions[-1], len(pieces))
    off = np.linalg.norm(positions - line, axis=1)
    if (uneven := float(np.ptp(steps))) > 2 * tolerance or off.max() > 2 * tolerance:
        worst = pieces[int(off.argmax())].name
        raise SourceError(
            f"slices are not evenly spaced along a line: steps differ by {uneven:.2f} mm, "
            f"{worst} is off by {off.max():.2f} mm"
        )
