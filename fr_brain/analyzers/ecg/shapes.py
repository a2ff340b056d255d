"""The frequent shapes of a block; how like them each place is, and how sharp."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.ecg.filters import running_mean

Array = npt.NDArray[Any]

REACH = 8
"""Samples of a shape to either side of its middle."""
_SHAPES = 3
_MEMBERS_MIN = 4
STRONG = 0.5
"""Share of the level of beats nearby that frequent shapes are sought in."""
_ALIKE = 0.3
"""The same that a low beat has at least, if its shape is frequent among tall ones."""
_SHARP, _LOW_SHARP = 0.03, -0.08
"""Sharpness of a place, and of the mean shape, that may be a low beat. Those of tuning records
have 0.02 and more; P waves have less than -0.2, and T waves far less."""
OVER_NOISE = 1.3
"""Height over the noise of a weak place that may be a beat."""
_MOST = 0.6
_DISTINCT = 0.9
"""Median correlation of beats with their shape that noise does not have."""
_LIKE = 0.7
"""Correlation from which two complexes have the same shape."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What several places have in common."""

    values: Array
    """(2 REACH + 1) x leads values, of length 1 as a vector."""
    size: float
    """Length of the sum of the pieces that made it; their number, if they were all the same."""

    low: bool = False
    """Whether it is that of low beats beside tall ones."""

    @classmethod
    def of(cls, total: Array, *, low: bool = False) -> "Shape":
        """That of a sum of pieces."""
        size = max(float(np.linalg.norm(total)), 1e-9)
        return cls(total / size, size, low)

    @property
    def sharp(self) -> float:
        """As ``sharpness_of``, without the noise of a single beat."""
        rows = self.values.reshape(2 * REACH + 1, -1)
        padded = np.pad(rows, ((REACH, REACH), (0, 0)))
        middle = np.array([2 * REACH])
        return float(sharpness_of(power_of(padded), slow_power_of(padded), middle)[0])


def power_of(values: Array) -> Array:
    """Sums of the squares over the last axis, which is short."""
    power = np.square(values[..., 0])
    for lead in range(1, values.shape[-1]):
        power += np.square(values[..., lead])
    return np.asarray(power)


def _pieces(white: Array, places: Array) -> Array:
    """The surroundings of places, each of length 1 (a unit vector)."""
    places = places[(places >= REACH) & (places < len(white) - REACH)]
    reach = np.arange(-REACH, REACH + 1)
    pieces = white[places[:, None] + reach].reshape(len(places), -1)
    size = np.linalg.norm(pieces, axis=1, keepdims=True)
    return np.asarray(pieces / np.maximum(size, 1e-9))


def frequent_shapes(white: Array, strong: Array, before: list[Shape]) -> list[Shape]:
    """The frequent shapes among the strongest places, the most frequent first."""
    pieces = _pieces(white, strong)
    shapes: list[Shape] = []
    for _ in range(_SHAPES):
        if len(pieces) < _MEMBERS_MIN:
            break
        shape = _consensus(pieces)
        like = pieces @ shape > _LIKE
        if np.count_nonzero(like) >= _MEMBERS_MIN:
            shapes.append(Shape.of(pieces[like].sum(axis=0)))
        pieces = pieces[~like]
    if not shapes:
        shapes = before[:1]
    if not shapes and len(strong):
        few = _pieces(white, strong)
        shapes = [Shape.of(few.sum(axis=0))] if len(few) else []
    return shapes


def low_shapes(white: Array, weak: Array, sharp: Array, known: list[Shape]) -> list[Shape]:
    """The shape of low beats beside tall ones, such as normal beats between ectopic ones: what
    most of the places have that are weak and as sharp as a QRS complex.

    Args:
        white: slopes over noise, (samples, leads).
        weak: places with room for a shape.
        sharp: their sharpness.
        known: shapes of tall beats.
    """
    weak = weak[sharp > _SHARP]
    if len(weak) < _MEMBERS_MIN:
        return []
    pieces = _pieces(white, weak)
    for shape in known:
        pieces = pieces[pieces @ shape.values < _LIKE]
    if len(pieces) < _MEMBERS_MIN:
        return []
    like = pieces @ _consensus(pieces) > _LIKE
    if np.count_nonzero(like) < max(_MEMBERS_MIN, _MOST * len(pieces)):
        return []
    shape = Shape.of(pieces[like].sum(axis=0), low=True)
    distinct = float(np.median(pieces[like] @ shape.values)) > _DISTINCT
    return [shape] if distinct and shape.sharp > _LOW_SHARP else []


def usual_height(relative: Array, which: Array, likeness: Array, shapes: list[Shape]) -> Array:
    """What ``relative`` usually is for the shape of each candidate, where that is lower: a low
    beat beside tall ones is as high as those of its shape.

    Args:
        relative: logarithm of the height over the level of beats nearby.
        which: number of the likeliest shape.
        likeness: to that shape.
        shapes: the shapes.
    """
    usual = np.zeros(len(relative))
    for number, shape in enumerate(shapes):
        alike = (which == number) & (likeness > _LIKE)
        if not shape.low:
            # What is lower is like the shape by chance, as P waves may be in one lead.
            alike &= relative > np.log(_ALIKE)
        if np.count_nonzero(alike) >= _MEMBERS_MIN and np.median(likeness[alike]) > _DISTINCT:
            usual[alike] = min(0.0, float(np.median(relative[alike])))
    return usual


def _consensus(pieces: Array) -> Array:
    """The shape that most pieces agree with: from the best of some pieces, refined."""
    some = pieces[:: max(1, len(pieces) // 24)]
    agreement = np.count_nonzero(some @ pieces.T > _LIKE, axis=1)
    shape = some[int(np.argmax(agreement))]
    for _ in range(3):
        like = pieces @ shape
        chosen = like > max(0.5, float(np.median(like)))
        if not chosen.any():
            break
        shape = _unit(pieces[chosen].mean(axis=0))
    return np.asarray(shape)


def _unit(values: Array) -> Array:
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9))


def likeness_to(matches: Array, match: Array, energy: Array, shapes: list[Shape]) -> Array:
    """Largest correlation with a shape at each sample.

    Args:
        matches: see ``matches_of``.
        match: their maxima over the shapes.
        energy: sum of squares over the leads.
        shapes: the shapes.
    """
    length = 2 * REACH + 1
    size = np.sqrt(np.maximum(running_mean(energy, length) * length, 1e-6)).astype(match.dtype)
    likeness: Array = np.clip(match / size, -1, 1)
    # Without its own share in the shape, which is large where few places made the shape.
    near = np.flatnonzero(likeness > _LIKE)
    like = likeness[near]
    sums = np.array([shape.size for shape in shapes])[np.argmax(matches[:, near], axis=0)]
    alone = (sums * like - 1) / np.sqrt(np.maximum(sums**2 - 2 * sums * like + 1, 1e-6))
    likeness[near] = np.minimum(alone, like)
    return likeness


def matches_of(white: Array, shapes: list[Shape]) -> Array:
    """Inner product of each shape with the surroundings of each sample, (shapes, samples).

    From each of as many offsets as a shape is long, the samples that follow are a matrix of
    surroundings as they lie in memory.
    """
    length = 2 * REACH + 1
    weights = np.stack([shape.values for shape in shapes], axis=1).astype(white.dtype)
    padded = np.pad(white, ((REACH, REACH + length), (0, 0)))
    matches = np.empty((len(shapes), len(white)), white.dtype)
    for offset in range(min(length, len(white))):
        count = -(-(len(white) - offset) // length)
        around = padded[offset : offset + count * length].reshape(count, -1)
        matches[:, offset::length] = (around @ weights).T
    return matches


def slow_power_of(white: Array) -> Array:
    """Power of the change within 160 ms at each sample."""
    padded = np.pad(white, ((6, 6), (0, 0)), mode="edge")
    count = len(white)
    wide = sum(padded[ahead : ahead + count] for ahead in (0, 4, 8, 12))
    return power_of(np.asarray(wide))


def sharpness_of(energy: Array, slow: Array, places: Array) -> Array:
    """Logarithm of the largest change within 40 ms over that within 160 ms, near each place: a T
    wave takes longer than a QRS complex, even a wide one.

    Args:
        energy: power of the slopes at each sample.
        slow: see ``slow_power_of``.
        places: with room for a shape.
    """
    near = places[:, None] + np.arange(-REACH, REACH + 1)
    steepest, slowest = energy[near].max(axis=1), slow[near].max(axis=1)
    ratio: Array = np.log(np.maximum(steepest, 1e-6) / np.maximum(slowest, 1e-6))
    return np.asarray(np.clip(0.5 * ratio, -1.5, 0.5))
