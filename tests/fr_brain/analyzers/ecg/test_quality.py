"""The quality of leads."""

import numpy as np

from fr_brain.analyzers.ecg.average import average_beat
from fr_brain.analyzers.ecg.filters import Array
from fr_brain.analyzers.ecg.quality import gaps_of, judge_leads
from tests.fr_brain.analyzers.ecg.records import record

ECG = record(6, 2)


def problems(samples: Array) -> set[str]:
    average = average_beat(samples, ECG.hz, ECG.truth.times_s, 0.86)
    return set(judge_leads(samples, ECG.hz, ECG.leads, average)[0].problems)


def changed(first: Array) -> Array:
    samples = ECG.samples.copy()
    samples[:, 0] = first
    return samples


def test_a_clean_lead_is_good() -> None:
    assert problems(ECG.samples) == set()


def test_each_problem_is_named() -> None:
    lead, t = ECG.samples[:, 0], np.arange(len(ECG.samples)) / ECG.hz
    noise = np.random.default_rng(1).standard_normal(len(lead))
    assert problems(changed(np.zeros(len(lead)))) == {"flat"}
    assert problems(changed(np.clip(lead, -0.1, 0.3))) == {"clipped"}
    assert "noisy" in problems(changed(lead + 0.3 * noise))
    assert "mains_hum" in problems(changed(lead + 0.3 * np.sin(2 * np.pi * 50 * t)))
    assert "mains_hum" in problems(changed(lead + 0.3 * np.sin(2 * np.pi * 60 * t)))
    assert "baseline_wander" in problems(changed(lead + 4 * np.sin(2 * np.pi * 0.2 * t)))
    assert "lead_off" in problems(changed(noise))
    assert problems(changed(1000 * lead)) == {"too_high"}  # microvolts, taken for millivolts
    gap = lead.copy()
    gap[1000:1500] = np.nan
    assert problems(changed(gap)) == {"gaps"}


def test_gaps_are_where_no_lead_has_a_value() -> None:
    samples = np.zeros((1000, 2))
    samples[100:200] = np.nan
    samples[300:400, 0] = np.nan
    samples[500] = np.inf
    assert gaps_of(samples, 100.0).tolist() == [[1.0, 2.0]]
    assert gaps_of(np.zeros((10, 1)), 100.0).shape == (0, 2)
