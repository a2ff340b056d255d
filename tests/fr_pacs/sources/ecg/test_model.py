"""Synthetic ECGs and their truth."""

from dataclasses import replace

import numpy as np
import pytest

from fr_pacs.sources.ecg.model import LEADS, TWELVE, EcgRecipe, make_ecg

PLAIN = EcgRecipe(leads=TWELVE, duration_s=10, background_mv=0)


def test_the_same_seed_gives_the_same_ecg() -> None:
    one, same, other = make_ecg(1, 2, PLAIN), make_ecg(1, 2, PLAIN), make_ecg(1, 3, PLAIN)
    np.testing.assert_array_equal(one.samples, same.samples)
    assert not np.array_equal(one.samples, other.samples)


def test_leads_obey_einthoven_and_goldberger() -> None:
    ecg = make_ecg(1, 2, PLAIN)
    lead = {name: ecg.samples[:, place] for place, name in enumerate(ecg.leads)}
    np.testing.assert_allclose(lead["III"], lead["II"] - lead["I"], atol=1e-5)
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-5)
    swapped = make_ecg(1, 2, replace(PLAIN, swapped_arms=True)).samples
    np.testing.assert_allclose(swapped[:, 0], -lead["I"], atol=1e-6)
    np.testing.assert_allclose(swapped[:, 1], lead["III"], atol=1e-6)
    np.testing.assert_allclose(swapped[:, 6:], ecg.samples[:, 6:])


def test_r_peaks_are_where_the_truth_says() -> None:
    ecg = make_ecg(3, 1, replace(PLAIN, leads=("II",), hz=500))
    signal = np.abs(ecg.samples[:, 0])
    for time in ecg.truth.times_s[1:-1]:
        near = round((time - 0.1) * 500)
        assert (near + np.argmax(signal[near : near + 100])) / 500 == pytest.approx(time, abs=0.012)


def test_noise_has_its_signal_to_noise_ratio() -> None:
    clean = make_ecg(5, 1, replace(PLAIN, leads=LEADS[1]))
    noisy = make_ecg(5, 1, replace(PLAIN, leads=LEADS[1], noise="muscle", snr_db=(6, 6)))
    noise = noisy.samples - clean.samples
    ratio = np.ptp(clean.samples) ** 2 / 8 / np.mean(noise**2)
    assert 10 * np.log10(ratio) == pytest.approx(6, abs=0.5)


def test_dropouts_and_silence() -> None:
    ecg = make_ecg(1, 2, replace(PLAIN, dropout_s=2))
    missing = np.isnan(ecg.samples).all(axis=1)
    assert missing.sum() == pytest.approx(500, abs=2)
    times = np.flatnonzero(missing) / ecg.hz
    assert not any(times[0] < time < times[-1] for time in ecg.truth.times_s)
    silent = make_ecg(1, 2, replace(PLAIN, silent=True))
    assert not silent.samples.any()
    assert not len(silent.truth.times_s)
