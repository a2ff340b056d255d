"""Signals at 100 Hz: baseline and mains hum go, steep parts stay, gaps are marked."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.conditioning import BEND, RATE_HZ, SLOPE, Array, steep


def sine(hz: float, frequency: float, seconds: float = 6) -> Array:
    t = np.arange(round(seconds * hz)) / hz
    return np.asarray(np.sin(2 * np.pi * frequency * t)[:, None])


def gain(hz: float, frequency: float) -> float:
    slope = steep(sine(hz, frequency), hz, 50, 400).slope
    return float(np.sqrt(2 * np.mean(slope**2)))


@pytest.mark.parametrize("hz", [128.0, 250.0, 360.0, 1000.0])
def test_qrs_frequencies_pass_and_baseline_and_mains_do_not(hz: float) -> None:
    assert gain(hz, 12) > 1.2
    assert gain(hz, 0.3) < 0.1
    assert gain(hz, 50) < 0.08
    assert gain(hz, 60) < 0.15


def test_bends_leave_out_more_of_what_is_slow_than_slopes() -> None:
    shares = [
        np.std(steep(sine(250, 5), 250, 50, 400, weights).slope)
        / np.std(steep(sine(250, 20), 250, 50, 400, weights).slope)
        for weights in (SLOPE, BEND)
    ]
    assert shares[1] < shares[0] / 4


def test_hum_at_the_ends_of_a_record_is_no_slope() -> None:
    whole = steep(sine(250, 50), 250, -16, 632).slope
    assert not whole[:16].any()
    assert np.abs(whole).max() < 0.1


def test_parts_fit_together() -> None:
    signal = np.random.default_rng(1).standard_normal((5000, 2)).astype(np.float32)
    whole = steep(signal, 250, 0, 2000)
    parts = [steep(signal, 250, first, 500).slope for first in range(0, 2000, 500)]
    np.testing.assert_allclose(np.concatenate(parts), whole.slope, atol=1e-5)


@pytest.mark.parametrize("hz", [50.0, 128.0, 250.0, 257.0, 360.0, 1000.0])
def test_rates_of_a_small_ratio_have_the_slopes_of_all_others(hz: float) -> None:
    signal = np.random.default_rng(1).standard_normal((int(9 * hz), 1)) + 400
    # One part in a million slower, the rate has no small ratio to 100 Hz.
    exact, other = steep(signal, hz, 50, 700), steep(signal, hz * (1 - 1e-6), 50, 700)
    np.testing.assert_allclose(exact.slope, other.slope, atol=2e-3)
    assert np.std(exact.slope) > 0.1


def test_a_flat_signal_has_no_slope_at_any_level() -> None:
    assert not steep(np.full((3000, 1), 123.456, np.float32), 250, 0, 1200).slope.any()


def test_one_nan_is_bridged_and_a_gap_is_marked() -> None:
    signal = sine(250, 10).astype(np.float32)
    clean = steep(signal, 250, 0, 600)
    signal[500] = np.nan
    bridged = steep(signal, 250, 0, 600)
    assert bridged.recorded[10:590].all()
    assert np.abs(bridged.slope - clean.slope).max() < 0.1
    signal[500:750] = np.inf
    marked = steep(signal, 250, 0, 600)
    assert not marked.recorded[202:298].any()
    assert not marked.slope[196:304].any()
    assert np.array_equal(marked.slope[:190], clean.slope[:190])


def test_nothing_and_almost_nothing_give_zeros() -> None:
    for signal in (np.full((500, 1), np.nan), np.zeros((1, 1)), np.zeros((0, 1))):
        part = steep(signal, 250.0, 0, int(RATE_HZ))
        assert not part.slope.any()
