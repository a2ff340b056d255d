"""The quality of each lead: what is missing, flat, clipped, noisy; what is upside down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.ecg_measures import EcgLead
from fr_brain.analyzers.ecg.average import AverageBeat
from fr_brain.analyzers.ecg.filters import running_mean
from fr_brain.analyzers.ecg.lead_names import standard_name

Array = npt.NDArray[Any]

_PART_S = 10.0
_PARTS_MAX = 180
"""Half an hour of parts, spread over the record, says what a lead is like."""
_FLAT_MV = 0.005
"""Peak to peak within a second: less is no heart."""
_CLIPPED_SHARE = 0.004
_CLIPPED_RUN_S = 0.012
_MAINS_MV, _MAINS_SHARE = 0.04, 0.05
"""Amplitude of a hum, at least, in mV and in the height of QRS."""
_NOISY_SHARE, _NOISY_MV = 0.08, 0.02
_WANDER_SHARE, _WANDER_MV = 1.5, 0.5
_QRS_NOISES = 2.5
"""Height of QRS over the spread of the beats: less is lost in it."""
_QRS_MIN_MV = 0.03
_CLEARLY = 0.1
"""Of the highest wave of all leads: a wave that is smaller has no direction."""
_BAD_PARTS = 0.3
"""Share of parts from which the lead as a whole has the problem."""
_SINE = 1.1
"""Square of what a sine of amplitude 1 adds to the deviation by the median."""
HEARTLESS = {"flat", "lead_off"}


@dataclass(slots=True)
class _Lead:
    parts: int = 0
    flat: int = 0
    clipped: int = 0
    mains: list[float] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    wander: list[float] = field(default_factory=list)
    missing: list[float] = field(default_factory=list)


def gaps_of(samples: Array, hz: float) -> Array:
    """Start and end, s, of each gap of 50 ms or more in which no lead has a value; (gaps, 2)."""
    size = 1 << 18
    bad = np.empty(len(samples), bool)
    for low in range(0, len(samples), size):
        part = samples[low : low + size]
        # A sum is finite only if all its values are: most parts need no closer look.
        if np.isfinite(part[:, 0].sum()):
            bad[low : low + size] = False
        else:
            bad[low : low + size] = ~np.isfinite(part).any(axis=1)
    if not bad.any():
        return np.zeros((0, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bad.astype(np.int8), [0]])))
    gaps = edges.reshape(-1, 2) / hz
    return gaps[gaps[:, 1] - gaps[:, 0] >= 0.05]


def judge_leads(
    samples: Array, hz: float, leads: Sequence[str], average: AverageBeat | None
) -> tuple[EcgLead, ...]:
    """The quality of each lead.

    Args:
        samples: (samples, leads), mV, NaN where nothing was recorded.
        hz: sampling rate.
        leads: their names.
        average: the average beat; None if there are no beats.
    """
    size = max(1, min(len(samples), round(_PART_S * hz)))
    count = max(1, len(samples) // size)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _PARTS_MAX)).astype(int))
    found = [_Lead() for _ in leads]
    for number in chosen:
        part = samples[number * size : (number + 1) * size].astype(np.float64)
        for lead, one in enumerate(found):
            _look(part[:, lead], hz, one)
    return tuple(
        _graded(name, one, number, average)
        for number, (name, one) in enumerate(zip(leads, found, strict=True))
    )


def _look(part: Array, hz: float, lead: _Lead) -> None:
    good = np.isfinite(part)
    lead.parts += 1
    lead.missing.append(1 - float(good.mean()) if len(part) else 1.0)
    values = part[good]
    if len(values) < hz:
        lead.flat += len(values) > 0 and np.ptp(values) < _FLAT_MV
        return
    second = max(2, int(hz))
    swings = [float(np.ptp(one)) for one in np.array_split(values, max(1, len(values) // second))]
    lead.flat += float(np.median(swings)) < _FLAT_MV
    lead.clipped += _is_clipped(values, hz)
    width = 2 * int(0.015 * hz) + 1
    fast = values - running_mean(values, max(3, width))
    fast = fast[width : len(fast) - width]
    mains, slow = _mains(values, hz), running_mean(values, 2 * int(0.5 * hz) + 1)
    lead.mains.append(mains)
    # A hum of this amplitude would be most of the noise, and is named on its own.
    power = float(np.median(np.abs(fast)) / 0.6745) ** 2 if len(fast) else 0.0
    lead.noise.append(float(np.sqrt(max(power - _SINE * max(mains, 0.0) ** 2, 0.0))))
    inner = slow[second // 2 : -second // 2]
    lead.wander.append(float(np.ptp(inner)) if len(slow) > 2 * second else 0.0)


def _is_clipped(values: Array, hz: float) -> bool:
    """Whether the largest or the smallest value comes in runs."""
    run = max(3, int(_CLIPPED_RUN_S * hz))
    for limit in (values.max(), values.min()):
        at = values == limit
        if at.mean() >= _CLIPPED_SHARE and np.ptp(values) > 20 * _FLAT_MV:
            total = np.cumsum(np.concatenate([[0], at]))
            if (total[run:] - total[:-run] == run).sum() >= 3:
                return True
    return False


_BESIDE_HZ = (-6.1, -4.3, 4.3, 6.1)
_ON_HZ = (-0.1, 0.0, 0.1)


def _mains(values: Array, hz: float) -> float:
    """Amplitude of hum at 50 or 60 Hz, mV: above what is beside it."""
    window, waves, total = _mains_waves(len(values), hz)
    if not len(waves):
        return 0.0
    size = np.abs(waves @ ((values - values.mean()) * window)).reshape(-1, len(_ON_HZ) + 4)
    beside = np.median(size[:, len(_ON_HZ) :], axis=1)
    return float(max(0.0, *(2 * (size[:, : len(_ON_HZ)].max(axis=1) - 2 * beside) / total)))


@lru_cache(maxsize=2)
def _mains_waves(count: int, hz: float) -> tuple[Array, Array, float]:
    """A window, and complex waves at and beside the frequencies of mains."""
    window, t = np.hanning(count), np.arange(count) / hz
    near = [m + off for m in (50.0, 60.0) if m < 0.45 * hz for off in (*_ON_HZ, *_BESIDE_HZ)]
    waves = np.exp(-2j * np.pi * np.array(near)[:, None] * t) if near else np.zeros((0, count))
    return window, waves, float(window.sum())


def _graded(name: str, lead: _Lead, number: int, average: AverageBeat | None) -> EcgLead:
    qrs = None
    if average is not None and np.isfinite(average.noise[number]):
        reach = int(0.08 * average.hz)
        middle = average.middle
        qrs = float(np.ptp(average.values[middle - reach : middle + reach + 1, number]))
    noise = float(np.median(lead.noise)) if lead.noise else None
    mains = float(np.median(lead.mains)) if lead.mains else None
    wander = float(np.median(lead.wander)) if lead.wander else 0.0
    missing = float(np.mean(lead.missing)) if lead.missing else 1.0
    height = qrs if qrs is not None else 1.0
    problems = []
    if lead.flat >= _BAD_PARTS * lead.parts:
        problems.append("flat")
    elif (
        average is not None
        and qrs is not None
        and qrs < max(_QRS_NOISES * float(average.spread[number]), _QRS_MIN_MV)
    ):
        problems.append("lead_off")
    if lead.clipped >= _BAD_PARTS * lead.parts:
        problems.append("clipped")
    if noise is not None and noise > max(_NOISY_SHARE * height, _NOISY_MV):
        problems.append("noisy")
    if mains is not None and mains > max(_MAINS_SHARE * height, _MAINS_MV):
        problems.append("mains_hum")
    if wander > max(_WANDER_SHARE * height, _WANDER_MV):
        problems.append("baseline_wander")
    if missing > 0.001:
        problems.append("gaps")
    unusable = missing > 0.9 or HEARTLESS.intersection(problems) or not lead.parts
    usable = 0.0 if unusable else round((1 - missing) * (1 - lead.flat / lead.parts), 4)
    return EcgLead(
        name=name[:64],
        grade="unusable" if unusable else "usable" if problems else "good",
        problems=tuple(problems),
        usable=usable,
        noise_mv=None if noise is None else round(noise, 4),
        mains_mv=None if mains is None else round(max(mains, 0.0), 4),
        qrs_mv=None if qrs is None else round(qrs, 3),
    )


def upside_down(leads: Sequence[EcgLead], net: Sequence[tuple[float, float, float]]) -> set[str]:
    """Standard names of leads that look inverted; ``SWAPPED`` in it if the arms look swapped.

    Args:
        leads: their qualities.
        net: height of P, net area of QRS and height of T in each lead; 0: not seen.
    """
    by_name = {
        standard: values
        for lead, values in zip(leads, net, strict=True)
        if (standard := standard_name(lead.name)) and lead.grade != "unusable"
    }
    limits = [
        _CLEARLY * max((abs(values[wave]) for values in by_name.values()), default=0.0)
        for wave in range(3)
    ]
    down: set[str] = {
        name
        for name in ("I", "II", "V4", "V5", "V6")
        if name in by_name
        and all(value < -limit for value, limit in zip(by_name[name], limits, strict=True))
    }
    # P, QRS and T of lead I point down while V5 or V6, which the arms do not reach, stay upright.
    left = [by_name[name] for name in ("V5", "V6") if name in by_name]
    right = by_name.get("AVR", (0.0, 0.0, 0.0))
    if "I" in down and "II" not in down:
        upright = bool(left) and all(area > 0 for _, area, _ in left)
        if upright or (right[0] > limits[0] and right[1] > 0):
            return {SWAPPED}
    return down


SWAPPED = "arms swapped"
