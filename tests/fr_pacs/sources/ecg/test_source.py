"""Synthetic ECGs: the same for the same seed, of the rate and leads that they claim."""

import numpy as np
import pytest

from common.errors import SettingsError
from fr_pacs.sources.ecg.model import TWELVE, EcgRecipe
from fr_pacs.sources.ecg.source import SAMPLING_RATE_HZ, EcgSource, make_samples


def test_each_scan_is_an_ecg_that_can_be_loaded_again() -> None:
    tasks = list(EcgSource("pacs-1", 3, seed=5))
    assert len({task.scan_id for task in tasks}) == 3
    first, again, other = tasks[0].load(), tasks[0].load(), tasks[1].load()
    assert first.scan == again.scan
    assert first.scan.voxels_hash != other.scan.voxels_hash
    assert first.scan.signal is not None
    assert first.scan.signal.leads == TWELVE
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
    level = lead.max() / 2
    above = np.flatnonzero((lead[1:] > level) & (lead[:-1] <= level))
    beats = above[np.diff(above, prepend=-1000) > 100]
    rate = 60 * SAMPLING_RATE_HZ / np.diff(beats).mean()
    slowest, fastest = EcgRecipe().rate_bpm
    assert slowest * 0.95 < rate < fastest * 1.05


def test_the_limb_leads_agree_with_each_other() -> None:
    one, two, three, right, left, foot = make_samples(1, 0, (500, 6)).T
    # But for the noise of each.
    np.testing.assert_allclose(one + three, two, atol=0.1)
    np.testing.assert_allclose(right + left + foot, 0, atol=0.1)
    assert np.ptp(two) > 0.5


def test_a_recording_may_be_too_short_for_a_heartbeat() -> None:
    assert make_samples(1, 0, (2, 1)).shape == (2, 1)
    assert np.array_equal(make_samples(1, 0, (50, 3)), make_samples(1, 0, (1000, 3))[:50])


@pytest.mark.parametrize("shape", [(1, 1), (100, 0), (100, 13), (2**31, 1)])
def test_a_shape_that_no_ecg_has_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="SHAPE"):
        EcgSource("pacs-1", 1, 1, shape)
