"""The best path: clear beats stay, noise in the gaps goes, and noise alone is not judged."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.candidates import FEATURES, Candidates, find_candidates
from fr_brain.analyzers.ecg.selection import WEIGHTS, Beats, select_beats
from fr_pacs.sources.ecg.noise import NoiseKind
from tests.fr_brain.analyzers.ecg.records import record


def beats_of(index: int, **changes: object) -> tuple[Beats, list[float]]:
    ecg = record(index, **changes)  # type: ignore[arg-type]
    found = select_beats(find_candidates(ecg.samples, ecg.hz), len(ecg.samples) / ecg.hz)
    return found, list(ecg.truth.times_s)


def test_the_weights_are_as_many_as_the_features() -> None:
    assert len(WEIGHTS) == FEATURES


@pytest.mark.parametrize("rate", [30, 60, 120, 220])
def test_beats_are_found_at_all_rates(rate: float) -> None:
    found, true = beats_of(3, rate_bpm=(rate, rate))
    inner = [time for time in true if 0.2 < time < 19.7]
    apart = np.abs(found.times_s[:, None] - np.array(inner)).min(axis=0)
    assert apart.max() < 0.05
    assert len(found.times_s) <= len(true)


@pytest.mark.parametrize("change", [{"inverted": True}, {"tall_t": True}, {"wide_qrs": True}])
def test_neither_t_waves_nor_polarity_mislead(change: dict[str, bool]) -> None:
    found, true = beats_of(4, leads=1, **change)
    assert abs(len(found.times_s) - len(true)) <= 1
    assert np.diff(found.times_s).min() > 0.6


def test_t_waves_half_way_that_are_nearly_as_steep_are_no_beats() -> None:
    t, beats = np.arange(5000) / 250, np.arange(0.3, 20, 0.594)
    apart = t - beats[:, None]
    qrs = np.exp(-((apart / 0.011) ** 2) / 2) - 0.2 * np.exp(-(((apart - 0.027) / 0.01) ** 2) / 2)
    waves = (qrs + 0.96 * np.exp(-(((apart - 0.25) / 0.036) ** 2) / 2)).sum(axis=0)
    signal = waves + np.random.default_rng(1).normal(0, 0.01, 5000)
    found = select_beats(find_candidates(signal[:, None].astype(np.float32), 250), 20.0)
    assert len(found.times_s) == len(beats)


@pytest.mark.parametrize("noise", ["baseline", "muscle", "electrode", "mains", "mixed"])
@pytest.mark.parametrize("leads", [1, 3])
def test_noise_alone_has_no_beats(noise: NoiseKind, leads: int) -> None:
    for index in range(3):
        found, _ = beats_of(10 + index, leads=leads, noise=noise, silent=True)
        assert not len(found.times_s)
        assert not found.judged.any()


@pytest.mark.parametrize("hz", [1.5, 3.0, 8.0, 12.0])
def test_a_steady_hum_has_no_beats(hz: float) -> None:
    hum = np.sin(2 * np.pi * hz * np.arange(5000) / 250)
    signal = hum + np.random.default_rng(1).normal(0, 0.01, 5000)
    found = select_beats(find_candidates(signal[:, None].astype(np.float32), 250), 20.0)
    assert not len(found.times_s)


def test_a_noisy_start_does_not_hide_the_rest() -> None:
    ecg = record(5, 1, duration_s=60.0)
    samples = ecg.samples.copy()
    samples[:2500] += np.random.default_rng(1).normal(0, 3, (2500, 1)).astype(np.float32)
    found = select_beats(find_candidates(samples, ecg.hz), 60.0)
    later = ecg.truth.times_s[(ecg.truth.times_s > 12) & (ecg.truth.times_s < 59.7)]
    assert np.abs(found.times_s[:, None] - later).min(axis=0).max() < 0.05


def test_no_candidates_are_no_beats() -> None:
    none, whole = np.zeros(0), np.zeros(0, np.intp)
    found = select_beats(Candidates(none, np.zeros((0, FEATURES)), none, whole, whole), 30.0)
    assert not len(found.times_s)
    assert list(found.judged) == [False] * 3
