"""The average beat: what is in each beat stays, what is not goes."""

import numpy as np

from fr_brain.analyzers.ecg.average import average_beat
from tests.fr_brain.analyzers.ecg.records import record


def test_noise_falls_and_the_beat_stays() -> None:
    ecg = record(1, background_mv=0.05)
    clean = record(1, background_mv=0.0)
    noisy = average_beat(ecg.samples, ecg.hz, ecg.truth.times_s, 0.86)
    exact = average_beat(clean.samples, clean.hz, clean.truth.times_s, 0.86)
    assert noisy is not None
    assert exact is not None
    assert np.std(noisy.values - exact.values) < 0.025
    assert (noisy.noise < 0.025).all()
    assert abs(np.argmax(np.abs(exact.values[:, 0])) - exact.middle) <= 2


def test_too_few_beats_and_missing_leads() -> None:
    ecg = record(1)
    assert average_beat(ecg.samples, ecg.hz, ecg.truth.times_s[:2], 0.86) is None
    samples = ecg.samples.copy()
    samples[:, 1] = np.nan
    average = average_beat(samples, ecg.hz, ecg.truth.times_s, 0.86)
    assert average is not None
    assert np.isfinite(average.noise[0])
    assert np.isinf(average.noise[1])
    assert not average.values[:, 1].any()
