"""Bring a part of a record to 100 Hz and take its steep parts, where QRS complexes stand out.

A mean over 20 ms is a whole period of 50 Hz, so that mains hum does not get through; the rest of a
60 Hz hum falls to the smoothing. Differences over 40 ms have their largest gain at 12.5 Hz, near
the middle of a QRS complex' spectrum (Thakor et al., IEEE Trans. Biomed. Eng. 31, 1984), and take
away the baseline. Where motion of the electrodes, which is strong up to 10 Hz, hides the steep
parts, the bends stand out: second differences have their largest gain at 25 Hz.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

RATE_HZ = 100.0
HZ_MIN = 50.0
"""Below it, a QRS complex has too few samples to be told from anything."""

_MV_MAX = 1e6
"""A kilovolt is no voltage of a body, and the squares of much more would overflow."""
_MEAN_S = 0.02
_GAP_S = 0.05
"""A shorter gap is bridged by a line."""
_GUARD = 6
"""Samples at 100 Hz beside a gap whose slope would be the gap's."""
_OUTPUTS_MAX, _BANK_HZ_MAX = 100, 5_000.0
"""All whole rates below have their weights."""
_TOGETHER = 6_000
"""Values that are computed at a time: their samples stay in the processor's cache."""
_LAG = 3
"""Samples that the weights reach to either side."""

SLOPE = (-0.25, -0.5, -0.25, 0.0, 0.25, 0.5, 0.25)
"""Weights of the means: differences over 40 ms, smoothed."""
BEND = (0.0, -1.0, 0.0, 2.0, 0.0, -1.0, 0.0)
"""Weights of the means: second differences over 40 ms."""


@dataclass(frozen=True, slots=True)
class Steep:
    """A part of a record at 100 Hz; all arrays have the shape (samples, leads)."""

    slope: Array
    """Slopes or bends, mV; 0 where nothing was recorded. float32."""
    recorded: Array
    """Whether there is a value."""


def steep(
    samples: Array, hz: float, first: int, count: int, weights: tuple[float, ...] = SLOPE
) -> Steep:
    """Sample the record at ``first / 100`` s and on, ``count`` times.

    Args:
        samples: (samples, leads), mV; NaN or infinite where nothing was recorded.
        hz: sampling rate.
        first: number of the first sample at 100 Hz; negative before the record.
        count: number of samples at 100 Hz.
        weights: ``SLOPE`` or ``BEND``.
    """
    slope = np.zeros((count, samples.shape[1]), np.float32)
    recorded = np.zeros(slope.shape, bool)
    ratio, half = hz / RATE_HZ, _half(hz)
    low = max(int((first - _LAG + 0.5) * ratio - half) - 1, 0)
    high = min(int((first + count + _LAG - 0.5) * ratio + half) + 2, len(samples))
    if high - low < 2:
        return Steep(slope, recorded)
    centres = (np.arange(first - _LAG, first + count + _LAG) + 0.5) * ratio
    outside = (centres < 0) | (centres >= len(samples))
    # What the weights reach beyond the record would let hum through.
    reach = _LAG * ratio + half
    edges = (centres < reach) | (centres > len(samples) - reach)
    bank = _bank(hz, weights)
    for lead in range(samples.shape[1]):
        part, missing = _filled(samples[low:high, lead], hz)
        if part is None:
            continue
        if bank is None:
            slope[:, lead] = np.correlate(_means(part, centres - low, half), weights)
        else:
            slope[:, lead] = bank.slope(part, low, first, count)
        unknown, hidden = outside, edges
        if missing is not None:
            gaps = _means(missing, centres - low, half) > 0.5
            unknown, hidden = outside | gaps, edges | _grown(gaps)
        recorded[:, lead] = ~unknown[_LAG:-_LAG]
        slope[hidden[_LAG:-_LAG], lead] = 0
    return Steep(slope, recorded)


def _half(hz: float) -> float:
    """Half the length of the means, in samples."""
    return max(_MEAN_S * hz, 1.0) / 2


def _filled(part: Array, hz: float) -> tuple[Array | None, Array | None]:
    """The samples with gaps bridged; where gaps are too long to be bridged."""
    good = np.abs(part) < _MV_MAX  # false for NaN
    if good.all():
        return part, None
    if not good.any():
        return None, None
    places = np.flatnonzero(good)
    filled = np.interp(np.arange(len(part)), places, part[places].astype(np.float64))
    # From one good sample to the next.
    long = np.flatnonzero(np.diff(places) > max(2, _GAP_S * hz))
    missing = np.zeros(len(part))
    missing[: places[0]] = missing[places[-1] + 1 :] = 1
    for gap in long:
        missing[places[gap] + 1 : places[gap + 1]] = 1
    return filled, missing


def _means(values: Array, centres: Array, half: float) -> Array:
    """Means over ``half`` samples to either side of fractional places, cut to the signal."""
    middle = np.float64(values[len(values) // 2])
    total = np.concatenate([[0.0], np.cumsum(values - middle)])
    left = np.clip(centres - half, 0, len(values) - 1)
    right = np.clip(centres + half, left + 1, len(values))
    places = np.arange(len(total))
    sums = np.interp(right, places, total) - np.interp(left, places, total)
    return np.asarray(middle + sums / (right - left))


@dataclass(frozen=True, slots=True)
class _Bank:
    """The slopes as weights of the samples around, for rates that have a small ratio to 100 Hz.

    The weights are the same in each group of so many values at 100 Hz, and those of steps from a
    sample to the next: no baseline costs accuracy, and a flat signal gives zeros.
    """

    inputs: int
    """Samples of a group."""
    outputs: int
    """Values at 100 Hz of a group."""
    start: int
    """First step, from the first sample of the group."""
    weights: Array
    """(steps, outputs); the number of steps is a multiple of ``inputs``."""

    @classmethod
    def of(cls, hz: float, ratio: Fraction, weights: tuple[float, ...]) -> "_Bank":
        """That of a sampling rate, over 100 Hz, for these weights of the means."""
        inputs, outputs, half = ratio.numerator, ratio.denominator, _half(hz)
        centres = (np.arange(-_LAG, outputs + _LAG) + 0.5) * float(ratio)
        start = int(np.floor(centres[0] - half))
        length = int(np.ceil(centres[-1] + half)) - start
        length = -(-length // inputs) * inputs
        # What each sample contributes to each mean, to each slope; then each step.
        samples = start + np.arange(length + 1)[:, None]
        ends = np.minimum(samples + 1, centres + half) - np.maximum(samples, centres - half)
        means = np.maximum(ends, 0) / (2 * half)
        slopes = np.stack([np.correlate(row, weights) for row in means])
        return cls(inputs, outputs, start, -np.cumsum(slopes, axis=0)[:-1].astype(np.float32))

    def slope(self, part: Array, low: int, first: int, count: int) -> Array:
        """The slopes from number ``first`` on; ``part`` starts at sample ``low``."""
        group, ahead = divmod(first, self.outputs)
        groups = -(-(ahead + count) // self.outputs)
        out = np.empty((groups, self.outputs), np.float32)
        length = len(self.weights)
        apart = length // self.inputs
        together = max(_TOGETHER // self.outputs, 1)
        steps = np.zeros(min(together, groups) * self.inputs + 2 * length, np.float32)
        for done in range(0, groups, together):
            some = out[done : done + together]
            begin = (group + done) * self.inputs + self.start - low
            end = begin + len(some) * self.inputs + length
            known = slice(max(begin, 0), max(min(end, len(part) - 1), begin, 0))
            steps[: known.start - begin] = steps[known.stop - begin :] = 0
            behind = part[known.start + 1 : known.stop + 1]
            np.subtract(behind, part[known], out=steps[known.start - begin : known.stop - begin])
            # From each of these groups on, the samples lie as a matrix in memory.
            for offset in range(min(apart, len(some))):
                rows = -(-(len(some) - offset) // apart)
                around = steps[offset * self.inputs :][: rows * length].reshape(rows, length)
                some[offset::apart] = around @ self.weights
        return out.ravel()[ahead : ahead + count]


@lru_cache(maxsize=8)
def _bank(hz: float, weights: tuple[float, ...]) -> _Bank | None:
    """The weights for a sampling rate; None: its ratio to 100 Hz is too large."""
    ratio = Fraction(hz / RATE_HZ).limit_denominator(_OUTPUTS_MAX)
    if abs(float(ratio) * RATE_HZ - hz) > 1e-9 * hz or hz > _BANK_HZ_MAX:
        return None
    return _Bank.of(hz, ratio, weights)


def _grown(unknown: Array) -> Array:
    """Whether any sample within the guard is unknown."""
    grown = unknown.copy()
    for place in np.flatnonzero(np.diff(unknown, prepend=False, append=False)):
        grown[max(place - _GUARD, 0) : place + _GUARD] = True
    return grown
