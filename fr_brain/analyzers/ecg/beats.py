"""Find the beats of a record: by its slopes, and where they tell no beats from noise, by its bends.

Slopes suit most noise. Motion of the electrodes is as steep as a QRS complex, but is less bent.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.ecg.candidates import BLOCK_S, find_candidates
from fr_brain.analyzers.ecg.conditioning import BEND
from fr_brain.analyzers.ecg.selection import JUDGED_S, SEED_ODDS, Beats, select_beats

Array = npt.NDArray[Any]

_APART_S = 0.2
"""Beats that are nearer are the same one."""
_SAME_S = 0.1
_ALIGNED_MIN = 3


def find_beats(samples: Array, hz: float) -> Beats:
    """The beats of a record.

    Args:
        samples: (samples, leads), mV; NaN or infinite where nothing was recorded.
        hz: sampling rate.
    """
    duration_s = len(samples) / hz
    first = select_beats(find_candidates(samples, hz), duration_s)
    doubted = first.score < SEED_ODDS
    if not doubted.any():
        return first
    wanted = np.zeros(int(duration_s // BLOCK_S) + 1, bool)
    wanted[(np.flatnonzero(doubted) * JUDGED_S / BLOCK_S).astype(np.intp)] = True
    second = select_beats(find_candidates(samples, hz, BEND, wanted), duration_s)
    better = ~first.judged | (doubted & (second.score > first.score))
    return _merged(first, second, second.judged & better)


def _merged(first: Beats, second: Beats, parts: Array) -> Beats:
    """The beats of the second in these parts, and those of the first in all others."""
    times = second.times_s + _lag(first.times_s, second.times_s)
    last = len(parts) - 1
    kept = ~parts[np.minimum((first.times_s / JUDGED_S).astype(np.intp), last)]
    # A beat at the end of a part may be just behind it for the other.
    near = np.stack([times - _SAME_S, times, times + _SAME_S]) / JUDGED_S
    own = parts[np.clip(near.astype(np.intp), 0, last)].any(axis=0)
    own &= _distance(times, first.times_s[kept]) > _APART_S
    order = np.argsort(np.concatenate([first.times_s[kept], times[own]]), kind="stable")

    def joined(one: Array, other: Array) -> Array:
        return np.asarray(np.concatenate([one[kept], other[own]])[order])

    return Beats(
        joined(first.times_s, times),
        joined(first.odds, second.odds),
        joined(first.block, second.block + int(first.block.max(initial=0)) + 1),
        joined(first.shape, second.shape),
        first.judged | parts,
        np.where(parts, second.score, first.score),
    )


def _lag(first: Array, second: Array) -> float:
    """How much later the first has the beats that both have; 0 if they are too few."""
    nearest = _nearest(second, first)
    apart = nearest - second
    common = apart[np.abs(apart) < _SAME_S]
    return float(np.median(common)) if len(common) >= _ALIGNED_MIN else 0.0


def _distance(times: Array, others: Array) -> Array:
    """From each time to the nearest of the others; infinite if there are none."""
    return np.asarray(np.abs(_nearest(times, others) - times))


def _nearest(times: Array, others: Array) -> Array:
    """The nearest of the others, which ascend, for each time."""
    padded = np.concatenate([[-np.inf], others, [np.inf]])
    after = np.searchsorted(padded, times)
    before = after - 1
    later = padded[after] - times < times - padded[before]
    return np.asarray(np.where(later, padded[after], padded[before]))
