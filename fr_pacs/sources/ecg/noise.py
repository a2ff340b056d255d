"""Noise of the kinds in the MIT-BIH Noise Stress Test Database (Moody et al., Computers in
Cardiology 11, 1984): baseline wander, muscle, electrode motion; and mains hum."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

NoiseKind = Literal["baseline", "muscle", "electrode", "mains", "mixed"]
Signal = npt.NDArray[Any]


def make_noise(
    kind: NoiseKind, samples: int, leads: int, hz: float, generator: np.random.Generator
) -> Signal:
    """Noise of unit power in each lead, (samples, leads); leads share half of it."""
    if kind == "mixed":
        kinds: tuple[NoiseKind, ...] = ("baseline", "muscle", "electrode", "mains")
        parts = [
            share * make_noise(part, samples, leads, hz, generator)
            for part, share in zip(
                kinds,
                generator.dirichlet([1, 1, 1, 0.5]) ** 0.5,
                strict=True,
            )
        ]
        return _unit(np.sum(parts, axis=0))
    make = {"baseline": _baseline, "muscle": _muscle, "electrode": _electrode, "mains": _mains}
    shared = make[kind](samples, hz, generator)[:, None]
    own = [make[kind](samples, hz, generator) for _ in range(leads)]
    return _unit(shared * generator.uniform(-1, 1, leads) + np.stack(own, axis=1))


def _baseline(samples: int, hz: float, generator: np.random.Generator) -> Signal:
    return _shaped(samples, hz, generator, lambda f: (f > 0.02) / np.maximum(f, 0.05) * (f < 0.8))


def _muscle(samples: int, hz: float, generator: np.random.Generator) -> Signal:
    """Broad, from 5 Hz, in bursts."""
    noise = _shaped(samples, hz, generator, lambda f: 1 / (1 + (8 / np.maximum(f, 0.1)) ** 4))
    swell = _shaped(samples, hz, generator, lambda f: (f > 0) * (f < 0.2) * 1.0)
    return noise * np.exp(0.5 * swell)


def _electrode(samples: int, hz: float, generator: np.random.Generator) -> Signal:
    """Jumps that decay, and a broad part below 10 Hz: both look like QRS complexes."""
    noise = _shaped(samples, hz, generator, lambda f: (f > 0.3) / (1 + (f / 4) ** 2))
    jumps = np.zeros(samples)
    for at in np.flatnonzero(generator.random(int(samples / hz) + 1) < 0.5):
        start = int((at + generator.random()) * hz)
        length = min(samples - start, int(3 * hz))
        if length > 0:
            decay = generator.uniform(0.1, 0.8)
            t = np.arange(length) / hz
            rise = 1 - np.exp(-t / generator.uniform(0.01, 0.06))
            jumps[start : start + length] += generator.normal(0, 2) * rise * np.exp(-t / decay)
    return noise + 0.7 * jumps


def _mains(samples: int, hz: float, generator: np.random.Generator) -> Signal:
    mains = generator.choice([50.0, 60.0]) + generator.normal(0, 0.05)
    t = np.arange(samples) / hz
    out = np.sin(2 * np.pi * mains * t + generator.uniform(0, 6.28))
    if 3 * mains < hz / 2:
        out += 0.15 * np.sin(6 * np.pi * mains * t + generator.uniform(0, 6.28))
    return np.asarray(out)


def _shaped(samples: int, hz: float, generator: np.random.Generator, gain: Any) -> Signal:
    """White noise through a gain by frequency, of unit power."""
    spectrum = np.fft.rfft(generator.standard_normal(samples))
    spectrum *= gain(np.fft.rfftfreq(samples, 1 / hz))
    return np.asarray(_unit(np.fft.irfft(spectrum, samples)))


def _unit(signal: Signal) -> Signal:
    return np.asarray(signal / np.maximum(np.sqrt(np.mean(signal**2, axis=0)), 1e-12))
