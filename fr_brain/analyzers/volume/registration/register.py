"""Finds where a head lies in MNI space, and says when it does not know.

A head is expected as the scan's header says: its top up, its face to the front. Only where it does
not fit like that are the other 23 ways of lying tried, to name the cause. The template is
symmetric, so nothing here can tell left from right: sides are those of the header.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from fr_brain.analyzers.volume.registration.align import (
    Level,
    Matrix,
    align,
    level_of,
    misfit,
    overlap,
    start,
)
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap

_MISFIT_MAX = 0.25  # of blocks of 8 mm, up to which a head fits
_OVERLAP_MIN = 0.88  # of tissue in blocks of 4 mm
_BETTER = 0.75  # misfit of a head that is turned, over that of the head as its header says
_TURN_MAX_DEGREES = 45.0  # between head and header
_SCALE = (0.75, 1.55)  # of the template over the head, along any direction
_UNEVEN_MAX = 1.35  # largest scale over the least
_SIMILAR_ROUNDS, _COARSE_ROUNDS, _FINE_ROUNDS, _TURN_ROUNDS = 6, 4, 3, 4


@dataclass(frozen=True)
class Registered:
    """Where a head lies in MNI space."""

    affine: Matrix | None
    """mm in the scan's space to mm in MNI space, 3 x 4; None if it is not known."""
    overlap: float
    """Dice coefficient of the head's tissue and the template's."""
    doubt: str | None
    """Why the place is not known, in a sentence; None if it is."""


def register(tissues: TissueMap) -> Registered:
    """Find the affine transform from the scan's space to MNI space.

    Args:
        tissues: the head.
    """
    coarse, fine = level_of(tissues, coarse=True), level_of(tissues, coarse=False)
    affine = align(coarse, start(tissues, np.eye(3)), _SIMILAR_ROUNDS, "similar")
    affine = align(coarse, affine, _COARSE_ROUNDS, "affine")
    own = misfit(coarse, affine)
    affine = align(fine, affine, _FINE_ROUNDS, "affine")
    common = overlap(fine, affine)
    if own > _MISFIT_MAX or common < _OVERLAP_MIN:
        like = _MIXED if common >= _OVERLAP_MIN else _UNLIKE
        return Registered(None, common, _turned_by_header(tissues, coarse, own) or like)
    left, scales, right = np.linalg.svd(affine[:, :3])
    turn = left @ right
    if np.linalg.det(turn) < 0 or _degrees(turn) > _TURN_MAX_DEGREES:
        return Registered(None, common, _turned(turn))
    plausible = _SCALE[0] <= scales[2] and scales[0] <= _SCALE[1]
    if not plausible or scales[0] > _UNEVEN_MAX * scales[2]:
        return Registered(None, common, _UNLIKE)
    return Registered(affine, common, None)


_UNLIKE = "The head does not fit the template (MNI152)."
_MIXED = (
    "The outline of the brain fits the template (MNI152), but grey and white matter were not found "
    "where they should be."
)


def _turned_by_header(tissues: TissueMap, level: Level, own: float) -> str | None:
    """What the header gets wrong about a head that fits if it lies otherwise; None if it does not
    fit then either.

    Args:
        tissues: the head.
        level: the head in blocks of 8 mm.
        own: its misfit as the header says.
    """
    turned = [align(level, start(tissues, turn), _TURN_ROUNDS, "similar") for turn in rotations()]
    misfits = [misfit(level, affine) for affine in turned]
    if min(misfits) > min(_MISFIT_MAX, _BETTER * own):
        return None
    left, _, right = np.linalg.svd(turned[int(np.argmin(misfits))][:, :3])
    return _turned(left @ right)


def rotations() -> list[Matrix]:
    """The 23 ways of lying along the axes other than the header's."""
    turns = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = np.zeros((3, 3))
            turn[range(3), order] = signs
            if np.linalg.det(turn) > 0 and not np.array_equal(turn, np.eye(3)):
                turns.append(turn)
    return turns


def _degrees(turn: Matrix) -> float:
    """The angle of a rotation."""
    return math.degrees(math.acos(float(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


def _turned(turn: Matrix) -> str:
    """What the header gets wrong about a head that is turned."""
    up, front = turn[2], turn[1]
    if up[2] < -0.7:
        what = "upside down"
    elif front[1] < -0.7:
        what = "with its face to the back"
    else:
        what = f"turned by {_degrees(turn):.0f} degrees"
    return (
        f"The head lies {what} relative to the axes in the image's header: the header may be "
        "wrong, and so may left and right."
    )
