"""Running means, maxima and medians, against their definitions."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.filters import (
    largest_median,
    local_maxima,
    median_of_known,
    running_max,
    running_mean,
    running_median,
    starts_of,
)

VALUES = np.random.default_rng(3).standard_normal(60)


@pytest.mark.parametrize("width", [1, 3, 9])
def test_running_mean(width: int) -> None:
    expected = np.convolve(VALUES, np.ones(width) / width, "same")
    np.testing.assert_allclose(running_mean(VALUES, width), expected, atol=1e-12)
    rows = running_mean(np.stack([VALUES, -VALUES]), width)
    np.testing.assert_allclose(rows, [expected, -expected], atol=1e-12)


@pytest.mark.parametrize("half", [0, 1, 4, 70])
def test_running_max(half: int) -> None:
    expected = [VALUES[max(0, at - half) : at + half + 1].max() for at in range(60)]
    np.testing.assert_array_equal(running_max(VALUES, half), expected)


@pytest.mark.parametrize("half", [1, 3, 40])
def test_running_median_without_missing_values(half: int) -> None:
    values = VALUES.copy()
    values[[5, 6, 30]] = np.nan
    expected = [np.nanmedian(values[max(0, at - half) : at + half + 1]) for at in range(60)]
    np.testing.assert_allclose(running_median(values, half), expected)
    assert np.isnan(running_median(np.full(9, np.nan), 2)).all()


def test_local_maxima_are_apart_and_plateaus_count_once() -> None:
    values = np.zeros(40)
    values[[5, 8, 25]] = 1, 2, 3
    values[30:33] = 3
    assert list(local_maxima(values, 4)) == [8, 25, 30]
    assert not len(local_maxima(np.zeros(10), 3))


def test_parts_cover_everything_and_differ_by_one_at_most() -> None:
    for length, parts in ((10, 3), (61, 61), (1031, 2)):
        lengths = np.diff(starts_of(length, parts), append=length)
        assert lengths.sum() == length
        assert np.ptp(lengths) <= 1


def test_medians_of_rows() -> None:
    plain = VALUES.reshape(6, 10)
    rows = plain.copy()
    rows[2, 3:] = np.nan
    rows[4] = np.nan
    expected = [np.nan if np.isnan(row).all() else np.nanmedian(row) for row in rows]
    np.testing.assert_allclose(median_of_known(rows), expected)
    counts = np.array([10, 1, 2, 3, 7, 4])
    largest = [np.median(np.sort(row)[-n:]) for row, n in zip(plain, counts, strict=True)]
    np.testing.assert_allclose(largest_median(plain.copy(), counts), largest)
