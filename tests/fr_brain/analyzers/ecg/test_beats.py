"""Beats under motion of the electrodes, in a part of the record or in all of it."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.beats import find_beats
from fr_brain.analyzers.ecg.candidates import find_candidates
from fr_brain.analyzers.ecg.selection import select_beats
from fr_pacs.sources.ecg.model import SyntheticEcg
from tests.evaluation.ecg.matching import match_beats
from tests.fr_brain.analyzers.ecg.records import record


def missed_and_false(ecg: SyntheticEcg) -> tuple[int, int]:
    found = match_beats(list(ecg.truth.times_s), list(find_beats(ecg.samples, ecg.hz).times_s))
    return found.true - found.common, found.found - found.common


@pytest.mark.parametrize("leads", [1, 3])
def test_electrode_motion_as_strong_as_the_beats_hides_none(leads: int) -> None:
    ecg = record(40, leads, noise="electrode", snr_db=(0.0, 0.0))
    assert missed_and_false(ecg) == (0, 0)
    slopes_alone = select_beats(find_candidates(ecg.samples, ecg.hz), 20.0)
    assert len(slopes_alone.times_s) < len(ecg.truth.times_s) / 2


def test_parts_with_and_without_motion_join_without_a_step() -> None:
    ecg = record(41, 1, duration_s=60.0, noise="electrode", snr_db=(0.0, 0.0), noisy_share=0.34)
    assert missed_and_false(ecg) == (0, 0)
    found = find_beats(ecg.samples, ecg.hz)
    assert found.judged.all()
    assert np.diff(found.times_s).min() > 0.2
    late = found.times_s - ecg.truth.times_s
    assert np.abs(late - np.median(late)).max() < 0.03


def test_the_first_and_the_last_beat_may_be_at_the_ends_of_the_record() -> None:
    ecg = record(42, 2)
    first, last = (int(ecg.truth.times_s[n] * ecg.hz) for n in (2, -3))
    part = ecg.samples[first - round(0.07 * ecg.hz) : last + round(0.09 * ecg.hz)]
    assert len(find_beats(part, ecg.hz).times_s) == len(ecg.truth.times_s) - 4


@pytest.mark.parametrize("noise", ["electrode", "mains", "muscle"])
def test_noise_alone_has_no_beats_either_way(noise: str) -> None:
    for index in range(43, 46):
        ecg = record(index, 1, noise=noise, silent=True)
        assert not len(find_beats(ecg.samples, ecg.hz).times_s)


def test_three_spikes_in_a_minute_are_no_rhythm() -> None:
    samples = np.random.default_rng(1).normal(0, 0.002, (15_000, 1)).astype(np.float32)
    for at in (500, 6_000, 14_500):
        samples[at : at + 5] += np.array([0.3, 0.8, 1.2, 0.8, 0.3], np.float32)[:, None]
    assert not len(find_beats(samples, 250.0).times_s)
