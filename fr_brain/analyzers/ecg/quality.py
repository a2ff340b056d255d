"""The quality of each lead: what is missing, flat, clipped, noisy; what is upside down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.ecg_measures import EcgLead
from fr_brain.analyzers.ecg.average import AverageBeat
from fr_brain.analyzers.ecg.filters import running_mean, starts_of
from fr_brain.analyzers.ecg.lead_names import standard_name

Array = npt.NDArray[Any]

_PART_S = 10.0
_PARTS_MAX = 180
"""Half an hour of parts, spread over the record, says what a lead is like."""
_ROWS = 24
"""Parts that are looked at together; more would take memory and no less time."""
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
_QRS_MAX_MV = 20.0
"""More is not of a heart, but the unit is wrong."""
_CLEARLY = 0.1
"""Of the highest wave of all leads: a wave that is smaller has no direction."""
_BAD_PARTS = 0.3
"""Share of parts from which the lead as a whole has the problem."""
_SINE = 1.1
"""Square of what a sine of amplitude 1 adds to the deviation by the median."""
HEARTLESS = {"flat", "lead_off"}


@dataclass(slots=True)
class _Lead:
    """What the parts of a lead are like."""

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
    together = max(1, _ROWS // max(1, len(leads)))
    for low in range(0, len(chosen), together):
        parts = [samples[n * size : (n + 1) * size] for n in chosen[low : low + together]]
        _look_at(np.concatenate([part.T for part in parts], dtype=np.float64), hz, found)
    return tuple(
        _graded(name, one, number, average)
        for number, (name, one) in enumerate(zip(leads, found, strict=True))
    )


def _look_at(rows: Array, hz: float, leads: Sequence[_Lead]) -> None:
    """Look at parts of all leads: the rows are those of the first part, of the second and on."""
    of = [leads[number % len(leads)] for number in range(len(rows))]
    good = np.isfinite(rows)
    shares = good.mean(axis=1) if rows.shape[1] else np.zeros(len(rows))
    whole = shares == 1
    for lead, share in zip(of, shares, strict=True):
        lead.parts += 1
        lead.missing.append(1 - float(share))
    if whole.any():
        _look(rows[whole], hz, [lead for lead, is_whole in zip(of, whole, strict=True) if is_whole])
    for number in np.flatnonzero(~whole):
        _look(rows[number][good[number]][None], hz, [of[number]])


def _look(rows: Array, hz: float, leads: Sequence[_Lead]) -> None:
    """Look at parts in which every sample is known, each of its lead."""
    count = rows.shape[1]
    if count < hz:
        for lead, row in zip(leads, rows, strict=True):
            lead.flat += count > 0 and np.ptp(row) < _FLAT_MV
        return
    second = max(2, int(hz))
    starts = starts_of(count, max(1, count // second))
    swings = np.maximum.reduceat(rows, starts, axis=1) - np.minimum.reduceat(rows, starts, axis=1)
    flat = np.median(swings, axis=1) < _FLAT_MV
    width = max(3, 2 * int(0.015 * hz) + 1)
    fast = np.abs(rows - running_mean(rows, width))[:, width : count - width]
    power = (np.median(fast, axis=1) / 0.6745) ** 2 if fast.shape[1] else np.zeros(len(rows))
    mains, slow = _mains(rows, hz), running_mean(rows, 2 * int(0.5 * hz) + 1)
    # A hum of this amplitude would be most of the noise, and is named on its own.
    noise = np.sqrt(np.maximum(power - _SINE * mains**2, 0))
    inner = slow[:, second // 2 : -second // 2] if count > 2 * second else slow[:, :1]
    wander = np.ptp(inner, axis=1)
    clipped = _clipped(rows, hz)
    for number, lead in enumerate(leads):
        lead.flat += bool(flat[number])
        lead.clipped += bool(clipped[number])
        lead.mains.append(float(mains[number]))
        lead.noise.append(float(noise[number]))
        lead.wander.append(float(wander[number]))


def _clipped(rows: Array, hz: float) -> Array:
    """Whether the largest or the smallest value of each row comes in runs."""
    run = max(3, int(_CLIPPED_RUN_S * hz))
    limits = rows.max(axis=1), rows.min(axis=1)
    clipped = np.zeros(len(rows), bool)
    for limit in limits:
        at = rows == limit[:, None]
        often = (at.mean(axis=1) >= _CLIPPED_SHARE) & (limits[0] - limits[1] > 20 * _FLAT_MV)
        for number in np.flatnonzero(often):
            total = np.cumsum(np.concatenate([[0], at[number]]))
            clipped[number] |= (total[run:] - total[:-run] == run).sum() >= 3
    return clipped


_BESIDE_HZ = (-6.1, -4.3, 4.3, 6.1)
_ON_HZ = (-0.1, 0.0, 0.1)


def _mains(rows: Array, hz: float) -> Array:
    """Amplitude of hum at 50 or 60 Hz in each row, mV: above what is beside it."""
    window, waves, total = _mains_waves(rows.shape[1], hz)
    if not len(waves):
        return np.zeros(len(rows))
    parts = ((rows - rows.mean(axis=1, keepdims=True)) * window) @ waves.T
    half = len(waves) // 2
    size = np.hypot(parts[:, :half], parts[:, half:])
    size = size.reshape(len(rows), -1, len(_ON_HZ) + len(_BESIDE_HZ))
    beside = np.median(size[..., len(_ON_HZ) :], axis=2)
    above = size[..., : len(_ON_HZ)].max(axis=2) - 2 * beside
    return np.asarray(np.maximum(2 * above.max(axis=1) / total, 0))


@lru_cache(maxsize=2)
def _mains_waves(count: int, hz: float) -> tuple[Array, Array, float]:
    """A window, and cosines, then sines, at and beside the frequencies of mains."""
    window, t = np.hanning(count), np.arange(count) / hz
    near = [m + off for m in (50.0, 60.0) if m < 0.45 * hz for off in (*_ON_HZ, *_BESIDE_HZ)]
    turns = 2 * np.pi * np.array(near)[:, None] * t
    return window, np.concatenate([np.cos(turns), np.sin(turns)]), float(window.sum())


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
    if qrs is not None and qrs > _QRS_MAX_MV:
        problems.append("too_high")
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
