"""Beat times of synthetic ECGs: sinus rhythm with its variability, and what interrupts it.

Sinus intervals follow McSharry et al. (IEEE Trans. Biomed. Eng. 50, 2003): a spectrum with one
peak near 0.1 Hz (blood pressure) and one near 0.25 Hz (breathing).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

RhythmKind = Literal[
    "sinus",
    "atrial_ectopy",
    "ventricular_ectopy",
    "bigeminy",
    "couplets",
    "fibrillation",
    "pauses",
    "wenckebach",
    "block_2_to_1",
    "rate_jumps",
]

_LF_HZ, _HF_HZ = 0.1, 0.25
_AF_SHORTEST_S = 0.30


@dataclass(frozen=True, slots=True)
class Beat:
    """One cycle. ``kind`` is N, A (atrial ectopic), V (ventricular) or P (a P wave alone)."""

    time_s: float
    """Time of the R peak; for P, of the peak that is missing."""
    kind: str
    pr_s: float
    """PR interval; 0: no P wave."""
    rr_s: float
    """Interval before it, which shortens or lengthens its T wave."""


def make_beats(
    kind: RhythmKind,
    rate_bpm: float,
    duration_s: float,
    pr_s: float,
    generator: np.random.Generator,
) -> list[Beat]:
    """The beats of a record, in order of time."""
    sinus = _sinus(rate_bpm, duration_s, pr_s, generator)
    return _CHANGES[kind](sinus, generator)


def _sinus(
    rate_bpm: float, duration_s: float, pr_s: float, generator: np.random.Generator
) -> list[Beat]:
    mean = 60.0 / rate_bpm
    # The faster, the less variable.
    depth = mean * generator.uniform(0.01, 0.05) * min(1.0, mean)
    ratio = generator.uniform(0.3, 2.0)
    phases = generator.uniform(0, 2 * np.pi, 2)
    beats = []
    time = generator.uniform(0.05, 0.05 + mean)
    while time < duration_s - 0.05:
        swing = ratio * np.sin(2 * np.pi * _LF_HZ * time + phases[0])
        swing += np.sin(2 * np.pi * _HF_HZ * time + phases[1])
        rr = max(0.2, mean + depth * swing + 0.2 * depth * generator.standard_normal())
        beats.append(Beat(float(time), "N", min(pr_s, 0.6 * mean), float(rr)))
        time += rr
    return beats


def _premature(
    beats: list[Beat], generator: np.random.Generator, kind: str, chance: float
) -> list[Beat]:
    """Some beats come early; after a ventricular one the sinus keeps its time."""
    out: list[Beat] = []
    shift = 0.0
    for place, beat in enumerate(beats):
        beat = replace(beat, time_s=beat.time_s + shift)
        is_early = 2 < place < len(beats) - 1 and out[-1].kind == "N"
        if is_early and generator.random() < chance:
            early = (1 - generator.uniform(0.55, 0.8)) * beat.rr_s
            at = max(beat.time_s - early, out[-1].time_s + 0.26)
            if kind == "A":
                shift += at - beat.time_s
            out.append(Beat(at, kind, beat.pr_s if kind == "A" else 0.0, at - out[-1].time_s))
        else:
            out.append(beat)
    return out


def _atrial(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    return _premature(beats, generator, "A", 0.08)


def _ventricular(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    return _premature(beats, generator, "V", 0.08)


def _bigeminy(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    return _premature(beats, generator, "V", 1.0)


def _couplets(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    out: list[Beat] = []
    for beat in _premature(beats, generator, "V", 0.06):
        if out and out[-1].kind == "V" and beat.time_s - out[-1].time_s > 0.8:
            out.append(Beat(out[-1].time_s + 0.4, "V", 0.0, 0.4))
        out.append(beat)
    return out


def _fibrillation(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    mean = float(np.mean([beat.rr_s for beat in beats]))
    end = beats[-1].time_s
    out, time = [], beats[0].time_s
    rr = mean
    while time <= end:
        out.append(Beat(float(time), "N", 0.0, float(rr)))
        rr = max(_AF_SHORTEST_S, mean * (1 + 0.22 * generator.standard_normal()))
        time += rr
    return out


def _pauses(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    out, shift = [], 0.0
    for place, beat in enumerate(beats):
        if place and generator.random() < 0.03:
            shift += generator.uniform(2.0, 4.0)
        out.append(replace(beat, time_s=beat.time_s + shift))
    end = beats[-1].time_s
    return [beat for beat in out if beat.time_s <= end]


def _wenckebach(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    """PR grows until a beat is dropped (Mobitz type 1)."""
    length = int(generator.integers(3, 6))
    step = 0.06
    out = []
    for place, beat in enumerate(beats):
        cycle = place % length
        growth = step * min(cycle, length - 2)
        if cycle == length - 1:
            out.append(replace(beat, kind="P"))
        else:
            out.append(replace(beat, time_s=beat.time_s + growth, pr_s=beat.pr_s + growth))
    return out


def _block_2_to_1(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    first = int(generator.integers(0, 2))
    return [
        replace(beat, kind="P") if place % 2 == first else beat for place, beat in enumerate(beats)
    ]


def _rate_jumps(beats: list[Beat], generator: np.random.Generator) -> list[Beat]:
    """Paroxysms: the rate changes at once by up to 2."""
    out, time, factor = [], beats[0].time_s, 1.0
    end = beats[-1].time_s
    for place in range(4 * len(beats)):
        if place % 30 == 29:
            factor = generator.uniform(0.5, 1.0)
        beat = beats[place % len(beats)]
        rr = max(0.28, beat.rr_s * factor)
        if time > end:
            break
        out.append(Beat(time, "N", min(beat.pr_s, 0.6 * rr), rr))
        time += rr
    return out


def _unchanged(beats: list[Beat], _: np.random.Generator) -> list[Beat]:
    return beats


_CHANGES: dict[RhythmKind, Callable[[list[Beat], np.random.Generator], list[Beat]]] = {
    "sinus": _unchanged,
    "atrial_ectopy": _atrial,
    "ventricular_ectopy": _ventricular,
    "bigeminy": _bigeminy,
    "couplets": _couplets,
    "fibrillation": _fibrillation,
    "pauses": _pauses,
    "wenckebach": _wenckebach,
    "block_2_to_1": _block_2_to_1,
    "rate_jumps": _rate_jumps,
}
