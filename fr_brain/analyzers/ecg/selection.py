"""Choose the beats among the candidates: the path through them that is likeliest as a whole.

Each candidate has log odds of being a beat (logistic regression on its features). A path through
the candidates costs more where its intervals differ from the rhythm nearby, up to a limit, so that
a clear beat outside the rhythm stays and noise in the rhythm's gaps goes. The best path is found by
dynamic programming (Viterbi, IEEE Trans. Inf. Theory 13, 1967), in windows side by side.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.ecg.candidates import Candidates
from fr_brain.analyzers.ecg.filters import median_of_known, running_median

Array = npt.NDArray[Any]

WEIGHTS = (-0.67, 1.78, -3.53, 1.42, 1.13, -1.97, 0.11, 4.49, 1.76, -6.0)
"""Of the features, in their order; fitted on tuning records, but for the last, which is a rule."""

RHYTHM_COST = 2.5
"""Log odds that an interval out of the rhythm costs at most."""
_SHORT_COST = 2.0
"""What a much shorter interval costs more: T waves are there."""
_SHORT = -1.1
"""Logarithm of such an interval over the rhythm's; in bigeminy -1.0 occurs."""
RHYTHM_WIDTH = 0.3
"""Deviation of the logarithm of an interval that costs all."""
_SURE = 1.0
_WINDOW_S, _MARGIN_S = 20.0, 6.0
_BACK = 8
_ODDS_MAX = 8.0

JUDGED_S = 10.0
"""Length of the parts that are judged as a whole."""
PART_WEIGHTS = (-6.05, 1.9, -5.65, -5.63, 3.33, 1.2)
"""Of the evidence in a part, in the order of ``_evidence``; fitted on tuning records and noise."""
SEED_ODDS, GROW_ODDS = 3.0, -1.0
"""A part can be judged from the first log odds on, or from the second beside one that can be. The
highest of 289 parts of noise among the tuning records was 1.6; 7 were above -1."""
POOLED_ODDS = 1.0
"""The same for the mean of a part and three on each side: evidence adds up."""
_POOL, _POOL_MIN, _POOL_CLIP = 3, 4, 6.0
_NEIGHBOURS, _BEATS_MIN = 2, 3
_OVER_MIN = 0.0
"""Median logarithm of the height of beats over the steepness between them."""
_RR_MAX_S = 6.0
"""Mean interval of beats that is longer than in any rhythm, pauses included."""


@dataclass(frozen=True, slots=True)
class Beats:
    """The beats found, in order of time."""

    times_s: Array
    odds: Array
    """Log odds of being a beat."""
    block: Array
    shape: Array
    """As of ``Candidates``."""
    judged: Array
    """Whether each part of ``JUDGED_S`` seconds can be judged; beats are in such parts alone."""
    score: Array
    """Log odds of each part that its beats are beats rather than noise."""


def select_beats(candidates: Candidates, duration_s: float) -> Beats:
    """The beats of a record."""
    times = candidates.times_s
    odds = np.clip(candidates.features @ np.array(WEIGHTS), -_ODDS_MAX, _ODDS_MAX)
    expected = _rhythm(times, odds)
    chosen = _best_paths(times, odds, expected)
    parts = max(1, int(np.ceil(duration_s / JUDGED_S)))
    score = _score(times[chosen], odds[chosen], candidates.features[chosen], parts)
    judged = _judged(score)
    part = np.minimum((times[chosen] / JUDGED_S).astype(np.intp), parts - 1)
    kept = chosen[judged[part]]
    return Beats(
        times[kept], odds[kept], candidates.block[kept], candidates.shape[kept], judged, score
    )


def _rhythm(times: Array, odds: Array) -> Array:
    """Logarithm of the usual interval near each candidate; NaN if none is known."""
    sure = np.flatnonzero(odds > _SURE)
    if len(sure) < 4:
        return np.full(len(times), np.nan)
    intervals = np.log(np.diff(times[sure]))
    usual = running_median(intervals, 7)
    middles = (times[sure][1:] + times[sure][:-1]) / 2
    return np.interp(times, middles, usual)


def _best_paths(times: Array, odds: Array, expected: Array) -> Array:
    """The candidates on the best path, ascending."""
    if not len(times):
        return np.zeros(0, np.intp)
    starts = np.arange(0, times[-1] + 1e-9, _WINDOW_S)
    first = np.searchsorted(times, starts - _MARGIN_S)
    last = np.searchsorted(times, starts + _WINDOW_S + _MARGIN_S)
    width = int((last - first).max())
    places = np.minimum(first[:, None] + np.arange(width), len(times) - 1)
    real = first[:, None] + np.arange(width) < last[:, None]
    at, gain, log_rr = times[places], np.where(real, odds[places], -1e6), expected[places]
    value = np.full((len(starts), width), -np.inf)
    back = np.full((len(starts), width), -1)
    rows = np.arange(len(starts))
    best, best_at = np.zeros(len(starts)), np.full(len(starts), -1)
    for k in range(width):
        value[:, k], back[:, k] = best, best_at
        for j in range(max(0, k - _BACK), k):
            follow = value[:, j] - _cost(at[:, k] - at[:, j], log_rr[:, k])
            better = follow > value[:, k]
            value[better, k], back[better, k] = follow[better], j
        value[:, k] += gain[:, k]
        # From anywhere before, at the full cost of an interval out of the rhythm.
        better = value[:, k] - RHYTHM_COST > best
        best[better], best_at[better] = value[better, k] - RHYTHM_COST, k
    return _followed(value, back, rows, places, at, starts)


def _followed(
    value: Array, back: Array, rows: Array, places: Array, at: Array, starts: Array
) -> Array:
    place = np.argmax(value, axis=1)
    alive = value[rows, place] > 0
    chosen = []
    while alive.any():
        live, here = rows[alive], place[alive]
        when = at[live, here]
        own = (when >= starts[live]) & (when < starts[live] + _WINDOW_S)
        chosen.append(places[live[own], here[own]])
        place = np.where(alive, back[rows, np.maximum(place, 0)], -1)
        alive &= place >= 0
    return np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, np.intp)


def _cost(interval: Array, log_rr: Array) -> Array:
    away = np.log(np.maximum(interval, 0.05)) - log_rr
    cost = RHYTHM_COST * np.minimum(1, (away / RHYTHM_WIDTH) ** 2) + _SHORT_COST * (away < _SHORT)
    return np.where(np.isnan(cost), 0, cost)


def _score(times: Array, odds: Array, features: Array, parts: int) -> Array:
    """Log odds that the beats in and around each part are beats rather than noise."""
    score = np.full(parts, -np.inf)
    part = np.minimum((times / JUDGED_S).astype(np.intp), parts - 1)
    bounds = np.searchsorted(part, np.arange(parts + 1))
    # Few beats say little, so their neighbours' count too.
    low = np.maximum(bounds[:-1] - _NEIGHBOURS, 0)
    high = np.minimum(bounds[1:] + _NEIGHBOURS, len(times))
    told = np.flatnonzero((np.diff(bounds) > 0) & (high - low >= _BEATS_MIN))
    # Three spikes in a minute are no rhythm.
    told = told[times[high[told] - 1] - times[low[told]] < _RR_MAX_S * (high - low - 1)[told]]
    if len(told):
        evidence = _evidence(times, odds, features, low[told], high[told])
        # Between the waves of a hum there is no rest, as there is between beats.
        rests = evidence[:, 5] > _OVER_MIN
        score[told[rests]] = (evidence @ PART_WEIGHTS)[rests]
    return score


def _judged(score: Array) -> Array:
    """Whether each part can be judged, by the evidence in it and around."""
    judged = (score > SEED_ODDS) | ((_pooled(score) > POOLED_ODDS) & (score > GROW_ODDS))
    while True:
        beside = judged.copy()
        beside[1:] |= judged[:-1]
        beside[:-1] |= judged[1:]
        grown = judged | (beside & (score > GROW_ODDS))
        if np.array_equal(grown, judged):
            return judged
        judged = grown


def _pooled(score: Array) -> Array:
    """Means over neighbouring parts; -inf where they are too few."""
    clipped = np.concatenate([[0.0], np.cumsum(np.clip(score, -_POOL_CLIP, _POOL_CLIP))])
    low = np.maximum(np.arange(len(score)) - _POOL, 0)
    high = np.minimum(np.arange(len(score)) + _POOL + 1, len(score))
    means = (clipped[high] - clipped[low]) / (high - low)
    return np.where(high - low >= _POOL_MIN, means, -np.inf)


def _evidence(times: Array, odds: Array, features: Array, low: Array, high: Array) -> Array:
    """A row for the beats from each ``low`` to before its ``high``: 1; median log odds; median
    likeness to the frequent shapes; irregularity; logarithm of the number of beats; median height
    over noise."""
    places = low[:, None] + np.arange(int((high - low).max()))
    inside = places < high[:, None]
    places = np.minimum(places, len(times) - 1)

    def median(values: Array) -> Array:
        return median_of_known(np.where(inside, values[places], np.nan))

    intervals = np.log(np.diff(np.where(inside, times[places], np.nan), axis=1))
    changes = median_of_known(np.abs(np.diff(intervals, axis=1)))
    return np.stack(
        [
            np.ones(len(low)),
            median(odds),
            median(features[:, 2]),
            np.minimum(changes, 1.0),
            np.log(high - low),
            median(features[:, 3]),
        ],
        axis=1,
    )
