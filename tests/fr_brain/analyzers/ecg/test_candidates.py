"""Candidates: every beat is among them, and looks like the others."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.candidates import FEATURES, find_candidates
from tests.fr_brain.analyzers.ecg.records import record


@pytest.mark.parametrize("leads", [1, 2, 3, 12])
def test_each_beat_is_a_candidate_and_like_the_frequent_shape(leads: int) -> None:
    ecg = record(1, leads)
    found = find_candidates(ecg.samples, ecg.hz)
    apart = np.abs(found.times_s[:, None] - ecg.truth.times_s)
    inner = ecg.truth.times_s < 19.8
    assert apart.min(axis=0)[inner].max() < 0.03
    beats = apart.argmin(axis=0)[inner]
    assert found.features.shape == (len(found.times_s), FEATURES)
    assert np.median(found.features[beats, 2]) > 0.9
    assert set(found.shape[beats]) == {0}


def test_a_record_longer_than_a_block_has_no_beat_twice() -> None:
    ecg = record(2, 1, duration_s=610.0, hz=125.0)
    found = find_candidates(ecg.samples, ecg.hz)
    assert np.diff(found.times_s).min() > 0.15
    assert set(found.block) == {0, 1}
    apart = np.abs(found.times_s[:, None] - ecg.truth.times_s[None, 5:-5]).min(axis=0)
    assert apart.max() < 0.03


def test_flat_and_missing_signals_have_no_candidates() -> None:
    for value in (0.0, 3.3, np.nan):
        assert not len(find_candidates(np.full((5000, 2), value, np.float32), 250).times_s)
