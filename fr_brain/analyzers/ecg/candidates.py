"""Find what may be a QRS complex: places where the leads together are steep, compared with the
shapes that are most frequent in the record."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.ecg.conditioning import RATE_HZ, SLOPE, steep
from fr_brain.analyzers.ecg.filters import (
    largest_median,
    local_maxima,
    running_mean,
    running_median,
    starts_of,
)
from fr_brain.analyzers.ecg.shapes import (
    OVER_NOISE,
    REACH,
    STRONG,
    Shape,
    frequent_shapes,
    likeness_to,
    low_shapes,
    matches_of,
    power_of,
    sharpness_of,
    slow_power_of,
    usual_height,
)

Array = npt.NDArray[Any]

FEATURES = 10
BLOCK_S = 600
_MARGIN_S = 5
_OUTSIDE = 16
"""Samples before and behind the record, whose slope is 0."""
_PART_S = 5
"""Length of the parts in which the noise of a lead counts as the same."""
_REFRACTORY = 20
_ENERGY = 9
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


def find_candidates(
    samples: Array, hz: float, weights: tuple[float, ...] = SLOPE, wanted: Array | None = None
) -> Candidates:
    """All candidates of a record, in blocks of ten minutes.

    Args:
        samples: (samples, leads), mV; NaN or infinite where nothing was recorded.
        hz: sampling rate.
        weights: as of ``steep``.
        wanted: whether each block is looked at; None: all are.
    """
    total = int(len(samples) * RATE_HZ / hz)
    size, margin = int(BLOCK_S * RATE_HZ), int(_MARGIN_S * RATE_HZ)
    found: list[Candidates] = []
    shapes: list[Shape] = []
    for number, start in enumerate(range(0, max(total, 1), size)):
        if wanted is not None and not wanted[number]:
            found.append(_none())
            continue
        stop = min(total, start + size)
        # A beat on the first or last samples has room for its shape.
        first = max(-_OUTSIDE, start - margin)
        last = min(total + _OUTSIDE, stop + margin)
        part = steep(samples, hz, first, last - first, weights)
        block, shapes = _in_block(part.slope, first, shapes)
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


def _none() -> Candidates:
    empty = np.zeros(0)
    whole = np.zeros(0, np.intp)
    return Candidates(empty, np.zeros((0, FEATURES)), empty, whole, whole)


def _in_block(slope: Array, first: int, before: list[Shape]) -> tuple[Candidates, list[Shape]]:
    count = len(slope)
    white, leads = _whitened(slope)
    if not leads:
        return _none(), before
    energy = power_of(white)
    strength = np.sqrt(np.maximum(running_mean(energy, _ENERGY), 0)).astype(np.float32)
    places = local_maxima(strength, _REFRACTORY)
    is_strong = strength[places] > STRONG * _level(strength, places)
    shapes = frequent_shapes(white, places[is_strong], before)
    if not shapes:
        return _none(), before
    floor = OVER_NOISE * np.sqrt(leads)
    weak = places[~is_strong & (strength[places] > floor)]
    weak = weak[(weak >= REACH) & (weak < count - REACH)]
    slow = slow_power_of(white)
    shapes += low_shapes(white, weak, sharpness_of(energy, slow, weak), shapes)
    matches = matches_of(white, shapes)
    match = matches.max(axis=0)
    likeness = likeness_to(matches, match, energy, shapes)
    # A place between a beat and noise beside it moves to the beat.
    weighted = strength * (0.3 + 0.7 * np.maximum(likeness, 0))
    places = local_maxima(weighted, _REFRACTORY)
    places = places[(places > REACH) & (places < count - REACH)]
    if not len(places):
        return _none(), before
    level = _level(weighted, places)
    strong = weighted[places] > 0.4 * level
    near = np.where(strong, likeness[places], np.nan)
    coherence = np.nan_to_num(running_median(near, 15))
    sharp = sharpness_of(energy, slow, places)
    which = np.argmax(matches[:, places], axis=0)
    relative = np.log(np.maximum(weighted[places], 1e-9) / level)
    relative -= usual_height(relative, which, likeness[places], shapes)
    features = _features(weighted, relative, likeness, places, coherence, sharp, leads)
    times = (first + places + _fraction(match, places) + 0.5) / RATE_HZ
    none = np.zeros(len(places), np.intp)
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


def _features(
    weighted: Array,
    relative: Array,
    likeness: Array,
    places: Array,
    coherence: Array,
    sharp: Array,
    leads: int,
) -> Array:
    """What tells a beat from anything else, a row for each candidate: 1; height over the level of
    beats nearby of such a shape; likeness to a frequent shape; height over noise; coherence
    nearby; how much larger a candidate shortly before is (a T wave's is); two products; sharpness;
    whether it is a T wave by its distance from a sharper candidate."""
    height = np.maximum(weighted[places], 1e-9)
    relative = np.clip(relative, -3, 1)
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
