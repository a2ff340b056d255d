"""A synthetic ECG with known truth, drawn from a seed.

The heart is a dipole whose waves P, Q, R, S and T are Gaussians in time around each R peak, after
the dynamical model of McSharry et al. (IEEE Trans. Biomed. Eng. 50, 2003), in closed form: their
equation without its relaxation term. Three dimensions follow Sameni et al. (EURASIP J. Adv. Signal
Process., 2007); the leads are projections by Dower's matrix (Dower et al., J. Electrocardiol. 13,
1980). QT follows the interval before the beat as in Fridericia (Acta Med. Scand. 53, 1920).

A Gaussian has no end. As the truth a T wave ends where the tangent at its steepest point meets the
baseline, 2 sigma after its peak; P and QRS start, and QRS ends, 2.5 sigma from the peak of the
outermost Gaussian, where it has 4 % of its height.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.ecg.noise import NoiseKind, make_noise
from fr_pacs.sources.ecg.rhythms import Beat, RhythmKind, make_beats

Array = npt.NDArray[Any]
Range = tuple[float, float]

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
TWELVE = (*LIMB, "V1", "V2", "V3", "V4", "V5", "V6")
LEADS: dict[int, tuple[str, ...]] = {1: ("II",), 2: ("II", "V1"), 3: ("I", "II", "V2"), 12: TWELVE}

_DOWER = {
    "I": (0.632, -0.235, 0.059),
    "II": (0.235, 1.066, -0.132),
    "V1": (-0.515, 0.157, -0.917),
    "V2": (0.044, 0.164, -1.387),
    "V3": (0.882, 0.098, -1.277),
    "V4": (1.213, 0.127, -0.601),
    "V5": (1.125, 0.127, -0.086),
    "V6": (0.831, 0.076, 0.230),
}
_EDGE_SIGMAS, _T_END_SIGMAS, _REACH_SIGMAS = 2.5, 2.0, 4.5


@dataclass(frozen=True, slots=True)
class EcgRecipe:
    """The kind of ECG to make. A pair is a range to draw from."""

    leads: tuple[str, ...] = LEADS[2]
    hz: float = 250.0
    duration_s: float = 60.0
    rhythm: RhythmKind = "sinus"
    rate_bpm: Range = (50.0, 110.0)
    noise: NoiseKind | None = None
    snr_db: Range = (12.0, 12.0)
    """Of the noise, where it is: a QRS complex of height h counts as a sine of height h (h² / 8),
    as in the noise stress test."""
    noisy_share: float = 1.0
    """Share of the record, in parts of up to 20 s, that has the noise."""
    background_mv: float = 0.01
    """Standard deviation of white noise that is always there."""
    inverted: bool = False
    swapped_arms: bool = False
    wide_qrs: bool = False
    tall_t: bool = False
    low_mv: float = 1.0
    """Factor of all amplitudes."""
    dropout_s: float = 0.0
    """Length of one part in which nothing was recorded (NaN)."""
    silent: bool = False
    """No heart: noise alone."""


@dataclass(frozen=True, slots=True)
class EcgTruth:
    """What is true of a synthetic ECG."""

    times_s: Array
    """Times of the R peaks, s; those that fall into a dropout are not among them."""
    kinds: str
    """A letter for each: N, A or V."""
    pr_ms: float | None
    qrs_ms: float
    qt_ms: float
    """Of normal beats, at the median interval."""
    axis_degrees: float


@dataclass(frozen=True, slots=True)
class SyntheticEcg:
    """Samples (samples, leads) in mV, float32, and their truth."""

    samples: Array
    hz: float
    leads: tuple[str, ...]
    truth: EcgTruth
    recipe: EcgRecipe = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Wave:
    offset_s: float
    sigma_s: float
    vector: Array
    """Height on Frank's axes x (left), y (down), z (back), mV."""
    after_s: float | None = None
    """Sigma after the peak, if it is another."""


def make_ecg(seed: int, index: int, recipe: EcgRecipe) -> SyntheticEcg:
    """The ECG number ``index`` of a seed; the same arguments give the same ECG."""
    generator = np.random.default_rng((seed, index))
    samples = round(recipe.duration_s * recipe.hz)
    pr_s, rate = generator.uniform(0.12, 0.2), generator.uniform(*recipe.rate_bpm)
    beats = make_beats(recipe.rhythm, rate, recipe.duration_s, pr_s, generator)
    heart = _Heart(generator, recipe)
    vector = np.zeros((samples, 3)) if recipe.silent else heart.signal(beats, samples)
    if recipe.rhythm == "fibrillation" and not recipe.silent:
        vector += heart.flutter(samples)
    signal = _project(vector, recipe)
    qrs_mv = np.ptp(signal, axis=0) if not recipe.silent else np.ones(len(recipe.leads))
    signal += recipe.background_mv * generator.standard_normal(signal.shape)
    if recipe.noise is not None:
        signal += _scaled_noise(recipe, samples, qrs_mv, generator)
    times = np.array([beat.time_s for beat in beats if beat.kind != "P"])
    kinds = [beat.kind for beat in beats if beat.kind != "P"]
    if recipe.dropout_s:
        start = generator.uniform(0.2, 0.8) * (recipe.duration_s - recipe.dropout_s)
        end = start + recipe.dropout_s
        signal[round(start * recipe.hz) : round(end * recipe.hz)] = np.nan
        kept = (times < start) | (times > end)
        times, kinds = times[kept], [kind for kind, keep in zip(kinds, kept, strict=True) if keep]
    if recipe.silent:
        times, kinds = times[:0], []
    truth = heart.truth(times, "".join(kinds), beats)
    return SyntheticEcg(signal.astype(np.float32), recipe.hz, recipe.leads, truth, recipe)


class _Heart:
    """The waves of one heart."""

    def __init__(self, generator: np.random.Generator, recipe: EcgRecipe) -> None:
        self._generator, self._recipe = generator, recipe
        draw = generator.uniform
        wide = draw(1.5, 1.9) if recipe.wide_qrs else draw(0.85, 1.15)
        turn = np.deg2rad(draw(-45, 35))
        height = draw(0.8, 1.3) * recipe.low_mv
        t_height = draw(2.0, 2.6) if recipe.tall_t else draw(0.7, 1.3)
        rotate = np.array(
            [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
        )

        def wave(
            at: float, sigma: float, mv: tuple[float, ...], after: float | None = None
        ) -> _Wave:
            vector = height * rotate @ (np.array(mv) * draw(0.85, 1.15, 3))
            return _Wave(at, sigma, vector, after)

        self._p = wave(0.0, draw(0.017, 0.023), (0.09, 0.14, 0.03))
        self._qrs = (
            wave(-0.026 * wide, 0.0075 * wide, (-0.12, -0.06, -0.18)),
            wave(0.0, 0.0095 * wide, (1.0, 1.0, 0.3)),
            wave(0.027 * wide, 0.009 * wide, (-0.18, -0.2, 0.5)),
        )
        t_sigma = draw(0.045, 0.06)
        t_vector = (0.24 * t_height, 0.24 * t_height, -0.16 * t_height)
        self._t = wave(draw(0.26, 0.3), t_sigma, t_vector, 0.7 * t_sigma)
        self._ventricular = (
            wave(-0.03, 0.028, (-0.5, 1.1, -0.9)),
            wave(0.045, 0.03, (0.9, -1.2, 0.8)),
            wave(0.3, 0.06, (0.3, -0.45, 0.4)),
        )

    def signal(self, beats: list[Beat], samples: int) -> Array:
        """The dipole over time, (samples, 3)."""
        out = np.zeros((samples, 3))
        for beat in beats:
            if beat.pr_s:
                # From the start of P to that of QRS.
                at = self._qrs_start() - beat.pr_s + _EDGE_SIGMAS * self._p.sigma_s
                self._add(out, beat.time_s, self._p, at)
            if beat.kind == "P":
                continue
            jitter = 1 + 0.03 * self._generator.standard_normal()
            waves = self._ventricular[:2] if beat.kind == "V" else self._qrs
            for wave in waves:
                self._add(out, beat.time_s, wave, wave.offset_s, jitter)
            t = self._ventricular[2] if beat.kind == "V" else self._t
            self._add(out, beat.time_s, t, *self._t_at(t, beat.rr_s))
        return out

    def _t_at(self, t: _Wave, rr_s: float) -> tuple[float, float, float]:
        """Offset, height and width of T after this interval: the end as in Fridericia."""
        stretch = min(max(rr_s, 0.27), 1.6) ** (1 / 3)
        return t.offset_s * stretch, 1.0, stretch

    def _add(
        self, out: Array, time_s: float, wave: _Wave, offset: float, by: float = 1, wide: float = 1
    ) -> None:
        hz = self._recipe.hz
        peak = time_s + offset
        before, after = wave.sigma_s * wide, (wave.after_s or wave.sigma_s) * wide
        first = max(0, int((peak - _REACH_SIGMAS * before) * hz))
        last = min(len(out), int((peak + _REACH_SIGMAS * after) * hz) + 1)
        if first < last:
            t = np.arange(first, last) / hz - peak
            shape = np.exp(-0.5 * (t / np.where(t < 0, before, after)) ** 2)
            out[first:last] += by * shape[:, None] * wave.vector

    def flutter(self, samples: int) -> Array:
        """Fibrillatory waves of the atria."""
        t = np.arange(samples) / self._recipe.hz
        hz = self._generator.uniform(5, 8)
        phase = 2 * np.pi * hz * t + np.cumsum(0.1 * self._generator.standard_normal(samples))
        ways = 0.05 * self._recipe.low_mv * np.array([0.5, 0.8, -0.8])
        return np.asarray(np.sin(phase)[:, None] * ways)

    def _qrs_start(self) -> float:
        return self._qrs[0].offset_s - _EDGE_SIGMAS * self._qrs[0].sigma_s

    def truth(self, times: Array, kinds: str, beats: list[Beat]) -> EcgTruth:
        """What is true at the median interval."""
        end = self._qrs[2].offset_s + _EDGE_SIGMAS * self._qrs[2].sigma_s
        offset, _, stretch = self._t_at(self._t, float(np.median([beat.rr_s for beat in beats])))
        t_end = offset + _T_END_SIGMAS * stretch * (self._t.after_s or 0)
        conducted = [beat.pr_s for beat in beats if beat.kind == "N"]
        pr = float(np.median(conducted)) if conducted else 0.0
        area = sum(wave.sigma_s * wave.vector for wave in self._qrs)
        one, foot = area @ np.array(_DOWER["I"]), area @ (_row("aVF"))
        return EcgTruth(
            times_s=times,
            kinds=kinds,
            pr_ms=1000 * pr if pr else None,
            qrs_ms=1000 * (end - self._qrs_start()),
            qt_ms=1000 * (t_end - self._qrs_start()),
            axis_degrees=float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * foot, one))),
        )


def _row(lead: str) -> Array:
    """The projection of the dipole onto a lead."""
    one, two = np.array(_DOWER["I"]), np.array(_DOWER["II"])
    limb = {
        "III": two - one,
        "aVR": -(one + two) / 2,
        "aVL": one - two / 2,
        "aVF": two - one / 2,
    }
    return limb[lead] if lead in limb else np.array(_DOWER[lead])


_SWAPPED = {
    "I": ("I", -1),
    "II": ("III", 1),
    "III": ("II", 1),
    "aVR": ("aVL", 1),
    "aVL": ("aVR", 1),
}


def _project(vector: Array, recipe: EcgRecipe) -> Array:
    rows = []
    for lead in recipe.leads:
        of, sign = _SWAPPED.get(lead, (lead, 1)) if recipe.swapped_arms else (lead, 1)
        rows.append(sign * _row(of))
    signal = vector @ np.array(rows).T
    return np.asarray(-signal if recipe.inverted else signal)


def _scaled_noise(
    recipe: EcgRecipe, samples: int, qrs_mv: Array, generator: np.random.Generator
) -> Array:
    assert recipe.noise is not None  # noqa: S101 - the caller's condition, for the type
    noise = make_noise(recipe.noise, samples, len(recipe.leads), recipe.hz, generator)
    power = np.median(qrs_mv) ** 2 / 8 / 10 ** (generator.uniform(*recipe.snr_db) / 10)
    part = round(20 * recipe.hz)
    parts = -(-samples // part)
    on = generator.permutation(parts) < max(1, round(parts * recipe.noisy_share))
    return np.asarray(noise * np.sqrt(power) * np.repeat(on, part)[:samples, None])
