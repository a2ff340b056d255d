"""The recordings of the conformance checks."""

import numpy as np

from fr_brain.analyzers.conformance.recordings import HZ, heartbeats, recordings


def test_heartbeats_have_their_rate() -> None:
    lead = heartbeats(60, 1)[:, 0]
    peaks = np.flatnonzero((lead[1:-1] > 1) & (lead[1:-1] > lead[:-2]) & (lead[1:-1] >= lead[2:]))
    assert abs(np.median(np.diff(peaks)) / HZ - 60 / 72) < 0.01


def test_each_case_is_a_signal_of_another_name() -> None:
    cases = list(recordings("ecg"))
    assert len({name for name, _, _ in cases}) == len(cases) > 30
    for _, scan, samples in cases:
        assert scan.kind == "signal"
        assert scan.array(samples).shape == scan.shape
