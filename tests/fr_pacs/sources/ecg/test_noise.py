"""Noise of unit power, in its own band."""

import numpy as np
import pytest

from fr_pacs.sources.ecg.noise import NoiseKind, make_noise


@pytest.mark.parametrize("kind", ["baseline", "muscle", "electrode", "mains", "mixed"])
def test_each_lead_has_unit_power_and_noise_of_its_own(kind: NoiseKind) -> None:
    noise = make_noise(kind, 5000, 3, 250, np.random.default_rng(1))
    assert noise.shape == (5000, 3)
    np.testing.assert_allclose(np.mean(noise**2, axis=0), 1)
    assert not np.array_equal(noise[:, 0], noise[:, 1])


def test_power_is_where_it_belongs() -> None:
    hz = np.fft.rfftfreq(5000, 1 / 250)
    share = {}
    for kind, low, high in (("baseline", 0, 1), ("muscle", 5, 125), ("mains", 49, 61)):
        noise = make_noise(kind, 5000, 1, 250, np.random.default_rng(2))[:, 0]  # type: ignore[arg-type]
        power = np.abs(np.fft.rfft(noise)) ** 2
        share[kind] = power[(hz >= low) & (hz <= high)].sum() / power.sum()
    assert min(share.values()) > 0.9
