"""Rician noise: its distribution with and without a signal, and where it is put."""

import math

import numpy as np
import pytest

from fr_pacs.sources.phantom.draws import Draws, Float32Array
from fr_pacs.sources.phantom.noise import RicianNoise

SIGMA = 30.0


def noise(sigma: float = SIGMA) -> RicianNoise:
    """Noise from a stream of its own."""
    return RicianNoise(Draws(np.random.SeedSequence(5)), sigma)


def applied(signal: float, sigma: float = SIGMA) -> Float32Array:
    """Noise on a constant signal, without the 0.5 for rounding."""
    slab = np.full((20, 50, 60), signal, np.float32)
    noise(sigma).apply(slab, np.empty_like(slab))
    return slab - np.float32(0.5)


@pytest.mark.parametrize("signal", [0, 20, 60, 1000])
def test_its_mean_square_is_that_of_rice(signal: float) -> None:
    expected = signal**2 + 2 * SIGMA**2
    assert np.mean(applied(signal).astype(float) ** 2) == pytest.approx(expected, rel=0.02)


def test_on_a_strong_signal_it_is_normal() -> None:
    values = applied(1000).astype(float)
    assert values.std() == pytest.approx(SIGMA, rel=0.02)
    assert values.mean() == pytest.approx(1000 + SIGMA**2 / 2000, abs=0.5)


def test_without_sigma_the_signal_stays() -> None:
    np.testing.assert_allclose(applied(123, sigma=0), 123, atol=1e-3)


def test_around_the_head_it_is_that_of_rayleigh_and_the_box_is_left_alone() -> None:
    part = np.full((6, 80, 90), -1, np.int16)
    noise().around(part, slice(20, 50), slice(30, 60))
    assert (part[:, 20:50, 30:60] == -1).all()
    outside = np.ones(part.shape, bool)
    outside[:, 20:50, 30:60] = False
    values = part[outside].astype(float)
    assert values.min() >= 0
    assert values.mean() == pytest.approx(SIGMA * math.sqrt(math.pi / 2), rel=0.02)
    assert values.std() == pytest.approx(SIGMA * math.sqrt(2 - math.pi / 2), rel=0.03)


def test_an_empty_box_leaves_nothing_out() -> None:
    part = np.full((2, 10, 10), -1, np.int16)
    noise().around(part, slice(0, 0), slice(0, 0))
    assert (part >= 0).all()
