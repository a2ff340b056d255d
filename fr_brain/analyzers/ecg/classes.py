"""Sort beats into normal ones and early ones, and intervals into those that count."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.ecg.filters import running_median
from fr_brain.analyzers.ecg.selection import JUDGED_S, Beats

Array = npt.NDArray[Any]

_EARLY = 0.85
"""Of the usual interval: an ectopic beat of another shape comes earlier."""
_EARLY_SAME_SHAPE = 0.78
"""The same for one of the usual shape, which sinus arrhythmia must not reach."""
_FREQUENT = 0.2
_USUAL_MIN = 6


@dataclass(frozen=True, slots=True)
class Sorted:
    """Beats by kind; all arrays have one value for each beat."""

    rr_s: Array
    """Interval before each beat; NaN for the first, and across parts that cannot be judged."""
    ventricular: Array
    supraventricular: Array
    usual: Array
    """Of the usual shape, neither early nor, if there are enough, after an early one."""
    normal_rr_s: Array
    """As ``rr_s``, NaN unless both beats are normal."""


def sort_beats(beats: Beats, missing: Array) -> Sorted:
    """Sort them.

    Args:
        beats: the beats.
        missing: start and end of each gap in all leads, s; (gaps, 2).
    """
    times = beats.times_s
    rr = np.full(len(times), np.nan)
    if len(times) > 1:
        rr[1:] = np.where(_across(times, beats.judged, missing), np.nan, np.diff(times))
    local = running_median(rr, 8) if len(rr) else rr
    other = _other_shape(beats, rr)
    after = np.concatenate([rr[1:], [np.nan]])
    with np.errstate(invalid="ignore"):
        ratio = rr / local
        paused = after / local > 1.15
        # In bigeminy the usual interval may be the short one.
        sooner = rr < _EARLY * (rr + after) / 2
        ventricular = other & ((ratio < _EARLY) | (paused & (ratio < 1.0)) | sooner)
        follows = np.concatenate([[False], ventricular[:-1]])
        # Late beats raise the median only slightly; two early ones in a row are a faster rhythm.
        early = (ratio < _EARLY_SAME_SHAPE) & ~ventricular & ~follows
        early &= ~(np.concatenate([early[1:], [False]]) | np.concatenate([[False], early[:-1]]))
    ectopic = ventricular | early
    after_ectopic = np.concatenate([[False], ectopic[:-1]])
    usual = ~other & ~ectopic & ~after_ectopic
    if usual.sum() < _USUAL_MIN:
        usual = ~other & ~ectopic
    normal = ~ectopic & ~after_ectopic
    return Sorted(rr, ventricular, early, usual, np.where(normal, rr, np.nan))


def _across(times: Array, judged: Array, missing: Array) -> Array:
    """Whether the interval between successive beats spans what cannot be judged."""
    first = np.minimum((times[:-1] / JUDGED_S).astype(np.intp), len(judged) - 1)
    last = np.minimum((times[1:] / JUDGED_S).astype(np.intp), len(judged) - 1)
    bad = np.concatenate([[0], np.cumsum(~judged)])
    across = bad[last + 1] - bad[first] > 0
    if len(missing):
        # A gap ends after one beat and starts before the next.
        gap = np.searchsorted(missing[:, 1], times[:-1])
        inside = gap < len(missing)
        across |= inside & (missing[np.minimum(gap, len(missing) - 1), 0] < times[1:])
    return np.asarray(across)


def _other_shape(beats: Beats, rr: Array) -> Array:
    """Whether each beat has not the shape that is usual in its block."""
    other = np.zeros(len(rr), bool)
    after = np.concatenate([rr[1:], [np.nan]])
    for block in np.unique(beats.block):
        own = np.flatnonzero(beats.block == block)
        shapes, counts = np.unique(beats.shape[own], return_counts=True)
        frequent = shapes[counts >= _FREQUENT * len(own)]
        usual = shapes[np.argmax(counts)]
        if len(frequent) > 1:
            # In bigeminy every other beat is early: the usual one is that which is not.
            usual = max(frequent, key=lambda shape: _lateness(own, shape, beats, rr, after))
        other[own] = beats.shape[own] != usual
    return other


def _lateness(own: Array, shape: int, beats: Beats, rr: Array, after: Array) -> float:
    """Interval before such beats over that behind; near 1 in a plain rhythm."""
    of = own[beats.shape[own] == shape]
    ratio = rr[of] / after[of]
    ratio = ratio[np.isfinite(ratio)]
    if not len(ratio):
        return 0.0
    # The more frequent shape stays the usual one unless intervals say clearly otherwise.
    return round(float(np.median(ratio)) * 2) / 2 + len(of) / (10 * len(own))
