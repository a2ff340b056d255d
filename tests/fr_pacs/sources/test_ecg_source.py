"""Synthetic ECGs: the same for the same seed, of the rate and leads that they claim."""

import numpy as np
import pytest

from common.errors import SettingsError
from fr_pacs.sources.ecg_source import (
    LEADS,
    RATE_PER_MINUTE,
    SAMPLING_RATE_HZ,
    EcgSource,
    make_samples,
)


def test_each_scan_is_an_ecg_that_can_be_loaded_again() -> None:
    tasks = list(EcgSource("pacs-1", 3, seed=5))
    assert len({task.scan_id for task in tasks}) == 3
    first, again, other = tasks[0].load(), tasks[0].load(), tasks[1].load()
    assert first.scan == again.scan
    assert first.scan.voxels_hash != other.scan.voxels_hash
    assert first.scan.signal is not None
    assert first.scan.signal.leads == LEADS
    assert (first.scan.scan_type, first.scan.shape) == ("ecg", (5000, 12))
    assert np.array_equal(first.scan.array(first.voxels), make_samples(5, 0, (5000, 12)))


def test_a_run_with_a_name_has_the_same_ids() -> None:
    ids = [[task.scan_id for task in EcgSource("pacs-1", 2, 1, run="r")] for _ in range(2)]
    assert ids[0] == ids[1]
    other = [task.scan_id for task in EcgSource("pacs-1", 2, 1, (100, 1), run="r")]
    assert not set(other) & set(ids[0])


@pytest.mark.parametrize("index", range(4))
def test_the_heart_beats_at_a_possible_rate(index: int) -> None:
    lead = make_samples(1, index, (10_000, 12))[:, 1]
    above = np.flatnonzero((lead[1:] > 0.6) & (lead[:-1] <= 0.6))
    beats = above[np.diff(above, prepend=-1000) > 100]
    rate = 60 * SAMPLING_RATE_HZ / np.diff(beats).mean()
    assert RATE_PER_MINUTE[0] * 0.95 < rate < RATE_PER_MINUTE[1] * 1.05


def test_the_limb_leads_agree_with_each_other() -> None:
    one, two, three, right, left, foot = make_samples(1, 0, (500, 6)).T
    np.testing.assert_allclose(one + three, two, atol=1e-5)
    np.testing.assert_allclose(right + left + foot, 0, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (100, 0), (100, 13), (2**31, 1)])
def test_a_shape_that_no_ecg_has_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="SHAPE"):
        EcgSource("pacs-1", 1, 1, shape)


@pytest.mark.parametrize(("scans", "seed"), [(-1, 1), (1, -1)])
def test_negative_numbers_are_refused(scans: int, seed: int) -> None:
    with pytest.raises(SettingsError):
        EcgSource("pacs-1", scans, seed)
