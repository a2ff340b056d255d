"""Random numbers that are the same on any machine, with the distributions that they claim."""

import math

import numpy as np
import pytest

from fr_pacs.sources.phantom.draws import Draws, normal_table, polynomials, rayleigh_table


def draws(seed: int = 1) -> Draws:
    """A stream of its own."""
    return Draws(np.random.SeedSequence(seed))


def test_one_seed_gives_one_stream() -> None:
    one, same, other = draws(1), draws(1), draws(2)
    first = [one.uniform(0, 1) for _ in range(5)]
    assert first == [same.uniform(0, 1) for _ in range(5)]
    assert first != [other.uniform(0, 1) for _ in range(5)]


def test_a_number_is_the_upper_half_of_one_integer_of_pcg64() -> None:
    raw = [int(n) >> 32 for n in np.random.PCG64(np.random.SeedSequence(7)).random_raw(3)]
    stream = draws(7)
    assert [stream.uniform(0, 1 << 32) for _ in range(3)] == raw


def test_uniform_numbers_stay_in_their_range_and_fill_it() -> None:
    stream = draws()
    numbers = [stream.uniform(-2, 3) for _ in range(4000)]
    assert -2 <= min(numbers) < -1.95
    assert 2.95 < max(numbers) < 3
    assert np.mean(numbers) == pytest.approx(0.5, abs=0.1)
    many = stream.uniforms(4000, -2, 3)
    assert many.shape == (4000,)
    assert -2 <= many.min() < -1.95
    assert 2.95 < many.max() < 3


def test_integers_include_both_ends_equally_often() -> None:
    stream = draws()
    counts = np.bincount([stream.integer(3, 6) for _ in range(4000)], minlength=7)
    assert counts[:3].tolist() == [0, 0, 0]
    assert counts[3:].min() > 850


def test_indices_are_spread_over_the_table() -> None:
    indices = draws().indices(100_001)
    assert indices.shape == (100_001,)
    assert indices.dtype == np.uint16
    assert np.histogram(indices, 16, (0, 1 << 16))[0].min() > 5900


def test_a_rotation_keeps_lengths_and_orientation() -> None:
    stream = draws()
    for _ in range(20):
        rotation = stream.rotation()
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_rotations_favour_no_direction() -> None:
    stream = draws()
    mean = np.mean([stream.rotation() for _ in range(3000)], axis=0)
    assert np.abs(mean).max() < 0.05


def test_the_normal_table_is_normal() -> None:
    table = normal_table().astype(float)
    assert table.shape == (1 << 16,)
    assert table.mean() == 0
    assert table.std() == pytest.approx(1, abs=1e-3)
    assert np.mean(np.abs(table) < 1.96) == pytest.approx(0.95, abs=1e-3)
    assert (np.diff(table) >= 0).all()


def test_the_rayleigh_table_is_rayleigh() -> None:
    table = rayleigh_table().astype(float)
    assert table.mean() == pytest.approx(math.sqrt(math.pi / 2), abs=1e-3)
    assert table.std() == pytest.approx(math.sqrt(2 - math.pi / 2), abs=1e-3)


def test_the_polynomials_are_those_of_chebyshev() -> None:
    mm = np.linspace(-100, 100, 41)
    angle = np.arccos(mm / 100)
    for degree, values in enumerate(polynomials(mm, 100)):
        np.testing.assert_allclose(values, np.cos(degree * angle), atol=1e-12)
