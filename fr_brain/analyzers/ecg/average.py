"""The average beat of each lead, at the record's own rate, and how far it can be trusted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BEATS_MAX = 400
"""More beats do not change the average; those taken are spread over the record."""
BEATS_MIN = 3
_BEFORE_S, _AFTER_S = 0.42, 0.62
_HZ_MAX = 500.0


@dataclass(frozen=True, slots=True)
class AverageBeat:
    """The median of beats that are aligned; all of (samples, leads) in mV."""

    values: Array
    halves: tuple[Array, Array]
    """The same of every other beat."""
    hz: float
    middle: int
    """The sample at which the beats are aligned."""
    beats: int
    noise: Array
    """Standard error of the average in each lead, mV; infinite where there is none."""
    spread: Array
    """Standard deviation of the beats around their average in each lead, mV."""


def average_beat(samples: Array, hz: float, times_s: Array, rr_s: float) -> AverageBeat | None:
    """Average the beats at these times; None if they are too few.

    Args:
        samples: (samples, leads), mV, NaN where nothing was recorded.
        hz: sampling rate.
        times_s: times of similar beats.
        rr_s: usual interval between beats, which limits how far a beat reaches.
    """
    before = min(_BEFORE_S, 0.55 * rr_s)
    after = min(_AFTER_S, rr_s - 0.5 * before)
    # Means over neighbours: above 500 Hz there is nothing to see, and less noise helps.
    every = max(1, int(hz / _HZ_MAX))
    inside = (times_s - before > 0.03) & (times_s + after < len(samples) / hz - 0.03)
    times = times_s[inside]
    if len(times) < BEATS_MIN:
        return None
    times = times[np.linspace(0, len(times) - 1, min(len(times), BEATS_MAX)).astype(int)]
    rate = hz / every
    reach = np.arange(-round(before * rate), round(after * rate) + 1) * every
    places = np.rint(times * hz).astype(np.intp)[:, None] + reach
    beats = samples[places].astype(np.float64)
    for more in range(1, every):
        beats += samples[np.minimum(places + more, len(samples) - 1)]
    beats /= every
    with np.errstate(invalid="ignore"):
        beats -= np.median(beats, axis=1, keepdims=True)
    whole = np.isfinite(beats).all(axis=1)
    leads = samples.shape[1]
    values = np.zeros((len(reach), leads))
    halves = (values.copy(), values.copy())
    noise, spread = np.full(leads, np.inf), np.full(leads, np.inf)
    for lead in range(leads):
        own = beats[whole[:, lead], :, lead]
        if len(own) < BEATS_MIN:
            continue
        values[:, lead] = np.median(own, axis=0)
        halves[0][:, lead] = np.median(own[::2], axis=0)
        halves[1][:, lead] = np.median(own[1::2], axis=0)
        difference = halves[0][:, lead] - halves[1][:, lead]
        noise[lead] = _sigma(difference - _smooth(difference, int(0.2 * rate))) / 2
        noise[lead] = max(noise[lead], _sigma(difference) / 2)
        spread[lead] = _sigma((own - values[:, lead]).ravel())
    return AverageBeat(values, halves, rate, round(before * rate), len(times), noise, spread)


def _sigma(values: Array) -> float:
    """Standard deviation by the median of absolute deviations."""
    return float(np.median(np.abs(values - np.median(values)))) / 0.6745


def _smooth(values: Array, width: int) -> Array:
    width = max(1, width)
    return np.convolve(values, np.ones(width) / width, "same")
