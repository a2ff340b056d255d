"""Aligns a head's tissues with those of the template by an affine transform, or with those of
another scan of the same head by a rigid one.

The shares of tissues are compared, not intensities, so contrast and bias field do not matter. Sums
of squared differences are minimized by Gauss and Newton's method (Lucas and Kanade, IJCAI 1981),
coarse to fine; for the template first with rotation, shift and one scale. Blocks that
fit badly, such as those of a lesion or a wide ventricle, count less (Geman and McClure, 1987).
What lies outside the field of view is not compared, so a cropped head fits where it is.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Floats
from fr_brain.analyzers.volume.registration.template import (
    ORIGIN_MM,
    SPACING_MM,
    Field,
    Points,
    channels,
    smoothed,
)
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap

Matrix = npt.NDArray[np.float64]

Freedom = Literal["rigid", "similar", "affine"]
"""What a transform may change: rotation and shift, these and one scale, or all 12 parameters."""

_SIZE = 1.12  # template over a typical head, along an edge: the atlas is larger than most heads
_INSIDE_WEIGHT = 0.7  # of the space inside the skull beside tissue and white matter
_MISFIT = 0.35  # difference of shares from which a block counts less
_PRESENT = 0.02  # share inside the skull from which a block is compared
_POINTS = 4000  # blocks to compare at most: 12 parameters need no more, and more cost time
_STIFFNESS = 0.02  # resistance to shear and uneven scale, over the data's

_ROTATIONS = (
    ((0, 0, 0), (0, 0, -1), (0, 1, 0)),
    ((0, 0, 1), (0, 0, 0), (-1, 0, 0)),
    ((0, -1, 0), (1, 0, 0), (0, 0, 0)),
)


@dataclass(frozen=True)
class Level:
    """A head and what it is aligned with, at one resolution."""

    points: Points
    """Positions in the scan's space (n, 3), mm."""
    shares: Floats
    """White matter, all tissue and the space inside the skull there, (3, n)."""
    field: Field
    """The same channels of the template, or of the other scan."""


def level_of(tissues: TissueMap, *, coarse: bool) -> Level:
    """A head and the template, about as smooth as each other.

    Args:
        tissues: the head.
        coarse: whether the blocks are of 8 mm instead of 4.
    """
    # Averages of 152 heads are smoother than one head.
    return level_with(tissues.halved() if coarse else tissues, _fields()[coarse])


def level_with(own: TissueMap, field: Field) -> Level:
    """A head, smoothed a little, and what it is aligned with.

    Args:
        own: the head.
        field: ``shares`` of the other one, about as smooth.
    """
    shares = np.stack([smoothed(share, 1) for share in shares_of(own)])
    # What is near the brain tells where it ends; what is further away tells nothing more.
    near = np.flatnonzero(smoothed(shares[2], 1) > 0)
    near = near[_spread(len(near))]
    shares = np.ascontiguousarray(shares.reshape(3, -1)[:, near])
    return Level(own.points()[near], shares, field)


def shares_of(own: TissueMap) -> list[Floats]:
    """The channels that are compared: white matter, all tissue, and the space inside the skull."""
    return [own.white, own.white + own.grey, own.inside]


def _spread(blocks: int) -> npt.NDArray[np.intp]:
    """Which blocks to compare: one of each equal run, at random, so that no row is preferred.

    The same number gives the same choice.
    """
    if blocks <= _POINTS:
        return np.arange(blocks)
    edges = np.linspace(0, blocks, _POINTS + 1)
    drawn = np.random.default_rng(0).uniform(edges[:-1], edges[1:])
    return np.minimum(drawn.astype(np.intp), blocks - 1)


@lru_cache(maxsize=1)
def _fields() -> tuple[Field, Field]:
    """The template to compare blocks of 4 and of 8 mm with."""
    named = channels()
    fine = [named["white"], named["white"] + named["grey"], named["inside"]]
    return Field(fine), Field([smoothed(channel, 4) for channel in fine])


def start(tissues: TissueMap, turn: Matrix) -> Matrix:
    """The affine transform that turns a head, scales it as most need, and centres it.

    Args:
        tissues: the head.
        turn: rotation from the scan's axes to the template's, 3 x 3.
    """
    inside = tissues.inside.ravel()
    centre = inside @ tissues.points() / max(float(inside.sum()), 1e-6)
    template = channels()["inside"]
    axes = [
        origin + SPACING_MM * np.arange(n)
        for origin, n in zip(ORIGIN_MM, template.shape, strict=True)
    ]
    middle = [
        float(np.average(axis, weights=template.sum(axis=tuple({0, 1, 2} - {number}))))
        for number, axis in enumerate(axes)
    ]
    linear = _SIZE * turn
    return np.column_stack([linear, middle - linear @ centre])


def align(level: Level, affine: Matrix, rounds: int, freedom: Freedom) -> Matrix:
    """Improve a transform.

    Args:
        level: the head and what it is aligned with.
        affine: mm in the scan's space to mm in the other's, 3 x 4.
        rounds: steps to take.
        freedom: what may change. A rigid transform stays one.
    """
    centre = level.points.mean(axis=0).astype(np.float64)
    away = (level.points - centre.astype(np.float32)).T
    for _ in range(rounds):
        moved = _moved(level.points, affine)
        values, slopes = level.field.at(moved)
        weights, differences = _weighted(level, moved, values)
        # d value / d affine: the slope along each axis times (x, y, z, 1).
        columns = np.concatenate([away, np.ones((1, away.shape[1]), np.float32)])
        weighted = slopes * weights
        gram = np.empty((12, 12))
        for i in range(3):
            for j in range(i, 3):
                product = (weighted[i] * slopes[j]).sum(axis=0)
                block = (columns * product) @ columns.T
                gram[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = block
                gram[4 * j : 4 * j + 4, 4 * i : 4 * i + 4] = block.T
        pulled = (weighted * differences).sum(axis=1)
        right = (pulled @ columns.T).astype(np.float64).ravel()
        step = _step(gram, right, affine[:, :3], freedom)
        linear = affine[:, :3] + step[:, :3]
        if freedom == "rigid":
            linear = nearest_rotation(linear)
        at_centre = affine[:, :3] @ centre + affine[:, 3] + step[:, 3]
        affine = np.column_stack([linear, at_centre - linear @ centre])
    return affine


def nearest_rotation(linear: Matrix) -> Matrix:
    """The rotation that is nearest to a linear map, 3 x 3."""
    left, _, right = np.linalg.svd(linear)
    return np.asarray(left @ right)


def misfit(level: Level, affine: Matrix) -> float:
    """How badly a head fits: the mean of its blocks' misfits, 0 (none) to 1."""
    moved = _moved(level.points, affine)
    values, _ = level.field.at(moved)
    _, differences = _weighted(level, moved, values)
    square = (differences * differences).sum(axis=0) / np.float32(_MISFIT**2)
    present = (level.shares[2] > _PRESENT) | (values[2] > _PRESENT)
    return float((square / (1 + square))[present].mean()) if present.any() else 1.0


def overlap(level: Level, affine: Matrix) -> float:
    """Dice coefficient of the head's tissue and the template's, shares counted, 0 to 1."""
    moved = _moved(level.points, affine)
    known = level.field.knows(moved)
    own, other = level.shares[1][known], level.field.at(moved)[0][1][known]
    total = float(own.sum(dtype=np.float64) + other.sum(dtype=np.float64))
    return 2 * float(np.minimum(own, other).sum(dtype=np.float64)) / total if total else 0.0


def _moved(points: Points, affine: Matrix) -> Points:
    return points @ affine[:, :3].T.astype(np.float32) + affine[:, 3].astype(np.float32)


def _weighted(level: Level, moved: Points, values: Floats) -> tuple[Floats, Floats]:
    """Weight of each block (n), and its differences from the template (3, n)."""
    differences = level.shares - values
    differences[2] *= np.float32(_INSIDE_WEIGHT)
    square = (differences * differences).sum(axis=0) / np.float32(_MISFIT**2)
    weights = 1 / (1 + square) ** 2
    weights *= level.field.knows(moved)
    return weights, differences


def _step(gram: Matrix, right: Matrix, linear: Matrix, freedom: Freedom) -> Matrix:
    """The change of the affine transform, 3 x 4, about the centre."""
    basis = np.zeros((12, 7))
    for number, rotation in enumerate(_ROTATIONS):
        basis[:, number] = np.column_stack([np.array(rotation) @ linear, np.zeros(3)]).ravel()
    basis[:, 3] = np.column_stack([linear, np.zeros(3)]).ravel()
    basis[[3, 7, 11], [4, 5, 6]] = 1
    # In these directions a head turns, grows and shifts freely; all others are held a little.
    unit = np.linalg.qr(basis)[0]
    if freedom != "affine":
        free = np.delete(basis, 3, axis=1) if freedom == "rigid" else basis
        small = free.T @ gram @ free
        small += 1e-6 * np.trace(small) / len(small) * np.eye(len(small))
        return np.asarray(free @ np.linalg.solve(small, free.T @ right)).reshape(3, 4)
    others = np.eye(12) - unit @ unit.T
    stiff = _STIFFNESS * np.trace(gram) / 12
    held = gram + stiff * others + 1e-6 * np.trace(gram) / 12 * np.eye(12)
    return np.asarray(np.linalg.solve(held, right)).reshape(3, 4)
