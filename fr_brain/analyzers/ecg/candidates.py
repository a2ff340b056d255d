"""Find what may be a QRS complex: places where the leads together are steep, compared with the
shapes that are most frequent in the record."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.ecg.conditioning import RATE_HZ, steep
from fr_brain.analyzers.ecg.filters import (
    largest_median,
    local_maxima,
    running_mean,
    running_median,
    starts_of,
)

Array = npt.NDArray[Any]

FEATURES = 10
BLOCK_S = 600
_MARGIN_S = 5
_PART_S = 5
"""Length of the parts in which the noise of a lead counts as the same."""
_REFRACTORY = 20
_ENERGY = 9
_REACH = 8
"""Samples of a shape to either side of its middle."""
_T_LOWER = 1.6
"""A T wave is less steep than its QRS complex by this at least."""
_T_WITHIN = 42
"""Samples from a QRS complex within which the steepest part of its T wave lies."""
_BLUNTER = 0.35
"""Difference of the logarithms of sharpness; a T wave's is 0.7, that of a wide QRS 0.3."""
_T_STEEP, _MUCH_BLUNTER = 1.15, 0.45
"""The same two of a T wave that is nearly as steep as its QRS complex, as tall ones are."""
_BIN_S = 2
"""Longest interval between beats that the level of beats allows for (30 beats per minute)."""
_SHAPES = 3
_MEMBERS_MIN = 4
_LIKE = 0.7
"""Correlation from which two complexes have the same shape."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Places that may be beats, in order of time."""

    times_s: Array
    features: Array
    """(candidates, FEATURES); see ``_features``."""
    coherence: Array
    """Median likeness to the frequent shapes among the strongest candidates nearby."""
    block: Array
    """Number of the block of each, whose shapes are its own."""
    shape: Array
    """Which shape of its block each is most like; 0 is the most frequent one."""


def find_candidates(samples: Array, hz: float) -> Candidates:
    """All candidates of a record, in blocks of ten minutes."""
    total = int(len(samples) * RATE_HZ / hz)
    size, margin = int(BLOCK_S * RATE_HZ), int(_MARGIN_S * RATE_HZ)
    found: list[Candidates] = []
    shapes: list[_Shape] = []
    for start in range(0, max(total, 1), size):
        stop = min(total, start + size)
        first = max(0, start - margin)
        last = min(total, stop + margin)
        block, shapes = _in_block(samples, hz, first, last - first, shapes)
        inside = (block.times_s * RATE_HZ >= start) & (block.times_s * RATE_HZ < stop)
        found.append(
            Candidates(
                block.times_s[inside],
                block.features[inside],
                block.coherence[inside],
                np.full(np.count_nonzero(inside), len(found)),
                block.shape[inside],
            )
        )
    return Candidates(
        np.concatenate([part.times_s for part in found]),
        np.concatenate([part.features for part in found]),
        np.concatenate([part.coherence for part in found]),
        np.concatenate([part.block for part in found]),
        np.concatenate([part.shape for part in found]),
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    values: Array
    """(2 _REACH + 1) x leads values, of length 1 as a vector."""
    size: float
    """Length of the sum of the pieces that made it; their number, if they were all the same."""

    @classmethod
    def of(cls, total: Array) -> "_Shape":
        size = max(float(np.linalg.norm(total)), 1e-9)
        return cls(total / size, size)


def _none() -> Candidates:
    empty = np.zeros(0)
    whole = np.zeros(0, np.intp)
    return Candidates(empty, np.zeros((0, FEATURES)), empty, whole, whole)


def _in_block(
    samples: Array, hz: float, first: int, count: int, before: list[_Shape]
) -> tuple[Candidates, list[_Shape]]:
    part = steep(samples, hz, first, count)
    white, leads = _whitened(part.slope)
    if not leads:
        return _none(), before
    energy = _power(white)
    strength = np.sqrt(np.maximum(running_mean(energy, _ENERGY), 0)).astype(np.float32)
    places = local_maxima(strength, _REFRACTORY)
    strong = places[strength[places] > 0.5 * _level(strength, places)]
    shapes = _shapes_of(white, strong, before)
    if not shapes:
        return _none(), before
    matches = _matches(white, shapes)
    match = matches.max(axis=0)
    likeness = _likeness(matches, match, energy, shapes)
    # A place between a beat and noise beside it moves to the beat.
    weighted = strength * (0.3 + 0.7 * np.maximum(likeness, 0))
    places = local_maxima(weighted, _REFRACTORY)
    places = places[(places > _REACH) & (places < count - _REACH)]
    if not len(places):
        return _none(), before
    level = _level(weighted, places)
    strong = weighted[places] > 0.4 * level
    near = np.where(strong, likeness[places], np.nan)
    coherence = np.nan_to_num(running_median(near, 15))
    sharp = _sharpness(white, energy, places)
    features = _features(weighted, level, likeness, places, coherence, sharp, leads)
    times = (first + places + _fraction(match, places) + 0.5) / RATE_HZ
    none = np.zeros(len(places), np.intp)
    which = np.argmax(matches[:, places], axis=0)
    return Candidates(times, features, coherence, none, which), shapes


def _whitened(slope: Array) -> tuple[Array, int]:
    """Each lead over its noise in each part, so that clean leads count for more; the number of
    leads that move."""
    size = np.abs(slope)
    # Far below the QRS complexes there is no noise worth telling apart.
    bins = max(1, len(slope) // int(_BIN_S * RATE_HZ))
    tops = np.maximum.reduceat(size, starts_of(len(slope), bins), axis=0)
    floor = np.maximum(0.03 * np.median(tops, axis=0), 1e-4)
    parts = max(1, len(slope) // int(_PART_S * RATE_HZ))
    starts = starts_of(len(slope), parts)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.ascontiguousarray(size.T), len(slope) // parts, axis=1
    )
    rows = windows[:, starts]
    moving = np.count_nonzero(rows, axis=2)
    noise = np.maximum(largest_median(rows, moving) / 0.6745, floor[:, None])
    gain = np.where(moving >= max(rows.shape[2] // 8, 1), 1 / noise, 0).astype(slope.dtype)
    white = slope * np.repeat(gain.T, np.diff(starts, append=len(slope)), axis=0)
    return white, int(np.count_nonzero(gain.any(axis=1)))


def _power(values: Array) -> Array:
    """Sums of the squares over the last axis, which is short."""
    power = np.square(values[..., 0])
    for lead in range(1, values.shape[-1]):
        power += np.square(values[..., lead])
    return np.asarray(power)


def _level(strength: Array, places: Array) -> Array:
    """What beats reach around each place: the running median of the maxima in two seconds."""
    bins = max(1, len(strength) // int(_BIN_S * RATE_HZ))
    tops = np.maximum.reduceat(strength, starts_of(len(strength), bins))
    level = running_median(np.where(tops > 0, tops, np.nan), 4)
    known = ~np.isnan(level)
    if not known.any():
        return np.full(len(places), np.inf)
    middles = (np.arange(bins) + 0.5) * len(strength) / bins
    return np.asarray(np.interp(places, middles[known], level[known]))


def _pieces(white: Array, places: Array) -> Array:
    """The surroundings of places, each of length 1 (a unit vector)."""
    places = places[(places >= _REACH) & (places < len(white) - _REACH)]
    reach = np.arange(-_REACH, _REACH + 1)
    pieces = white[places[:, None] + reach].reshape(len(places), -1)
    size = np.linalg.norm(pieces, axis=1, keepdims=True)
    return np.asarray(pieces / np.maximum(size, 1e-9))


def _shapes_of(white: Array, strong: Array, before: list[_Shape]) -> list[_Shape]:
    """The frequent shapes among the strongest places, the most frequent first."""
    pieces = _pieces(white, strong)
    shapes: list[_Shape] = []
    for _ in range(_SHAPES):
        if len(pieces) < _MEMBERS_MIN:
            break
        shape = _consensus(pieces)
        like = pieces @ shape > _LIKE
        if np.count_nonzero(like) >= _MEMBERS_MIN:
            shapes.append(_Shape.of(pieces[like].sum(axis=0)))
        pieces = pieces[~like]
    if not shapes:
        shapes = before[:1]
    if not shapes and len(strong):
        few = _pieces(white, strong)
        shapes = [_Shape.of(few.sum(axis=0))] if len(few) else []
    return shapes


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


def _likeness(matches: Array, match: Array, energy: Array, shapes: list[_Shape]) -> Array:
    """Largest correlation with a shape at each sample.

    Args:
        matches: see ``_matches``.
        match: their maxima over the shapes.
        energy: sum of squares over the leads.
        shapes: the shapes.
    """
    length = 2 * _REACH + 1
    size = np.sqrt(np.maximum(running_mean(energy, length) * length, 1e-6)).astype(match.dtype)
    likeness: Array = np.clip(match / size, -1, 1)
    # Without its own share in the shape, which is large where few places made the shape.
    near = np.flatnonzero(likeness > _LIKE)
    like = likeness[near]
    sums = np.array([shape.size for shape in shapes])[np.argmax(matches[:, near], axis=0)]
    alone = (sums * like - 1) / np.sqrt(np.maximum(sums**2 - 2 * sums * like + 1, 1e-6))
    likeness[near] = np.minimum(alone, like)
    return likeness


def _matches(white: Array, shapes: list[_Shape]) -> Array:
    """Inner product of each shape with the surroundings of each sample, (shapes, samples).

    From each of as many offsets as a shape is long, the samples that follow are a matrix of
    surroundings as they lie in memory.
    """
    length = 2 * _REACH + 1
    weights = np.stack([shape.values for shape in shapes], axis=1).astype(white.dtype)
    padded = np.pad(white, ((_REACH, _REACH + length), (0, 0)))
    matches = np.empty((len(shapes), len(white)), white.dtype)
    for offset in range(min(length, len(white))):
        count = -(-(len(white) - offset) // length)
        around = padded[offset : offset + count * length].reshape(count, -1)
        matches[:, offset::length] = (around @ weights).T
    return matches


def _sharpness(white: Array, energy: Array, places: Array) -> Array:
    """Logarithm of the largest change within 40 ms over that within 160 ms, near each place: a T
    wave takes longer than a QRS complex, even a wide one."""
    near = places[:, None] + np.arange(-_REACH, _REACH + 1)
    last = len(white) - 1
    wide = sum(white[np.clip(near + shift, 0, last)] for shift in (-6, -2, 2, 6))
    fast, slow = energy[near].max(axis=1), _power(np.asarray(wide)).max(axis=1)
    ratio: Array = np.log(np.maximum(fast, 1e-6) / np.maximum(slow, 1e-6))
    return np.asarray(np.clip(0.5 * ratio, -1.5, 0.5))


def _features(
    weighted: Array,
    level: Array,
    likeness: Array,
    places: Array,
    coherence: Array,
    sharp: Array,
    leads: int,
) -> Array:
    """What tells a beat from anything else, a row for each candidate: 1; height over the level of
    beats nearby; likeness to a frequent shape; height over noise; coherence nearby; how much larger
    a candidate shortly before is (a T wave's is); two products; sharpness; whether it is a
    T wave by its distance from a sharper candidate."""
    height = np.maximum(weighted[places], 1e-9)
    relative = np.clip(np.log(height / level), -3, 1)
    like = np.clip(likeness[places], -0.2, 1)
    over = np.clip(np.log(height / np.sqrt(leads)), -1, 4)
    after, t_like = np.zeros(len(places)), np.zeros(len(places))
    for back in (1, 2):
        if len(places) > back:
            apart = places[back:] - places[:-back]
            larger = np.clip(np.log(height[:-back] / height[back:]), 0, 2)
            blunter, steeper = sharp[:-back] - sharp[back:], height[:-back] / height[back:]
            t_wave = (blunter > _BLUNTER) & (steeper > _T_LOWER)
            t_wave |= (blunter > _MUCH_BLUNTER) & (steeper > _T_STEEP)
            t_like[back:] = np.maximum(t_like[back:], t_wave & (apart < _T_WITHIN))
            after[back:] = np.maximum(after[back:], np.where(apart < 45, larger, 0))
    return np.stack(
        [
            np.ones(len(places)),
            relative,
            like,
            over,
            coherence,
            after,
            relative * like,
            like * coherence,
            sharp,
            t_like,
        ],
        axis=1,
    )


def _fraction(match: Array, places: Array) -> Array:
    """Where the match peaks near a place, to a fraction of a sample."""
    reach = np.arange(-3, 4)
    near = match[np.clip(places[:, None] + reach, 1, len(match) - 2)]
    shift = np.argmax(near, axis=1) - 3
    middle = np.clip(places + shift, 1, len(match) - 2)
    a, b, c = match[middle - 1], match[middle], match[middle + 1]
    bend = a - 2 * b + c
    vertex = np.where(bend < 0, 0.5 * (a - c) / np.where(bend < 0, bend, 1), 0)
    return np.asarray(shift + np.clip(vertex, -0.5, 0.5))
