"""Bring a part of a record to 100 Hz and take its steep parts, where QRS complexes stand out.

A mean over 20 ms is a whole period of 50 Hz, so that mains hum does not get through; the rest of a
60 Hz hum falls to the smoothing. Differences over 40 ms have their largest gain at 12.5 Hz, near
the middle of a QRS complex' spectrum (Thakor et al., IEEE Trans. Biomed. Eng. 31, 1984), and take
away the baseline.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

RATE_HZ = 100.0
HZ_MIN = 50.0
"""Below it, a QRS complex has too few samples to be told from anything."""

_MEAN_S = 0.02
_GAP_S = 0.05
"""A shorter gap is bridged by a line."""
_GUARD = 6
"""Samples at 100 Hz beside a gap whose slope would be the gap's."""
_LAG = 3
"""Samples that smoothing and difference reach to either side."""


@dataclass(frozen=True, slots=True)
class Steep:
    """A part of a record at 100 Hz; all arrays have the shape (samples, leads)."""

    slope: Array
    """Smoothed differences over 40 ms, mV; 0 where nothing was recorded. float32."""
    recorded: Array
    """Whether there is a value."""


def steep(samples: Array, hz: float, first: int, count: int) -> Steep:
    """Sample the record at ``first / 100`` s and on, ``count`` times.

    Args:
        samples: (samples, leads), mV; NaN or infinite where nothing was recorded.
        hz: sampling rate.
        first: number of the first sample at 100 Hz.
        count: number of samples at 100 Hz.
    """
    leads = samples.shape[1]
    slope = np.zeros((count, leads), np.float32)
    recorded = np.zeros((count, leads), bool)
    centres = (np.arange(first - _LAG, first + count + _LAG) + 0.5) * hz / RATE_HZ
    half = max(_MEAN_S * hz, 1.0) / 2
    low, high = int(centres[0] - half) - 1, int(centres[-1] + half) + 2
    inner_low, inner_high = max(low, 0), min(high, len(samples))
    if inner_high - inner_low < 2:
        return Steep(slope, recorded)
    # Positions in the cumulative sum, which starts with 0 before the first sample.
    left = np.clip(centres - half - inner_low, 0, inner_high - inner_low - 1)
    right = np.clip(centres + half - inner_low, left + 1, inner_high - inner_low)
    inside = (centres >= 0) & (centres < len(samples))
    for lead in range(leads):
        part, missing = _filled(samples[inner_low:inner_high, lead], hz)
        if part is None:
            continue
        means = _between(part, left, right)
        smooth = means[:-2] + 2 * means[1:-1] + means[2:]
        slope[:, lead] = (smooth[4:] - smooth[:-4]) / 4
        known = inside if missing is None else inside & (_between(missing, left, right) < 0.5)
        recorded[:, lead] = known[_LAG:-_LAG]
        if not known.all():
            slope[~_eroded(known)[_LAG:-_LAG], lead] = 0
    return Steep(slope, recorded)


def _filled(part: Array, hz: float) -> tuple[Array | None, Array | None]:
    """The samples with gaps bridged, about their middle; where gaps are too long to be bridged."""
    good = np.isfinite(part)
    if good.all():
        return part - np.float64(part[len(part) // 2]), None
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
    return filled - filled[len(filled) // 2], missing


def _between(values: Array, left: Array, right: Array) -> Array:
    """Means of the values between fractional places."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((_at(total, right) - _at(total, left)) / (right - left))


def _at(total: Array, places: Array) -> Array:
    whole = places.astype(np.intp)
    np.minimum(whole, len(total) - 2, out=whole)
    low = total[whole]
    return np.asarray(low + (places - whole) * (total[whole + 1] - low))


def _eroded(known: Array) -> Array:
    """Whether all samples within the guard are known."""
    near = np.convolve(~known, np.ones(2 * _GUARD + 1), "same") > 0.5
    return ~near
