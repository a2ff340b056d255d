"""Whole records: the truth is measured, and what cannot be judged is withheld."""

import numpy as np
import pytest

from common.domain.ecg_measures import EcgMeasures
from fr_brain.analyzers.ecg.measure import measure
from fr_pacs.sources.ecg.model import SyntheticEcg
from fr_pacs.sources.ecg.noise import make_noise
from tests.fr_brain.analyzers.ecg.records import record


def measured(ecg: SyntheticEcg) -> EcgMeasures:
    return measure(ecg.samples, ecg.hz, ecg.leads)


def test_a_clean_record_of_twelve_leads() -> None:
    ecg = record(7, 12, rate_bpm=(66, 66))
    found = measured(ecg)
    assert found.peaks is not None
    assert abs(found.peaks.count - len(ecg.truth.times_s)) <= 1
    assert found.heart_rate_bpm.value == pytest.approx(66, abs=1.5)
    assert found.pr_ms.value == pytest.approx(ecg.truth.pr_ms, abs=15)
    assert found.qt_ms.value == pytest.approx(ecg.truth.qt_ms, abs=20)
    assert found.axis_degrees.value == pytest.approx(ecg.truth.axis_degrees, abs=12)
    assert found.rhythm.name == "sinus"
    assert found.hrv.sdnn_ms.withheld is not None
    assert EcgMeasures.model_validate_json(found.model_dump_json()) == found


def test_peaks_are_at_the_r_peaks() -> None:
    ecg = record(8, 1)
    found = measured(ecg)
    assert found.peaks is not None
    times = np.array(found.peaks.times_ms()) / 1000
    inner = ecg.truth.times_s[(ecg.truth.times_s > 0.3) & (ecg.truth.times_s < 19.7)]
    assert np.abs(times[:, None] - inner).min(axis=0).max() < 0.02


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((5000, 2), np.float32),
        np.full((5000, 2), np.nan, np.float32),
        np.full((5000, 2), np.inf, np.float32),
        np.random.default_rng(1).normal(0, 1, (5000, 2)).astype(np.float32),
        np.random.default_rng(1).normal(0, 1e38, (5000, 2)).clip(-3e38, 3e38).astype(np.float32),
        np.zeros((0, 2), np.float32),
        np.ones((3, 2), np.float32),
    ],
    ids=["zeros", "nan", "inf", "noise", "huge", "empty", "short"],
)
def test_there_is_never_a_number_from_nothing(samples: np.ndarray) -> None:
    found = measure(samples, 250.0, ("I", "II"))
    assert found.verdict == "fail"
    assert found.peaks is None
    assert found.heart_rate_bpm.value is None
    assert found.qt_ms.value is None


def test_one_nan_changes_nothing() -> None:
    ecg = record(9)
    samples = ecg.samples.copy()
    samples[777] = np.nan
    clean, found = measured(ecg), measure(samples, ecg.hz, ecg.leads)
    assert found.peaks is not None
    assert clean.peaks is not None
    assert found.peaks.count == clean.peaks.count


@pytest.mark.parametrize("good", [0, 1])
def test_one_good_lead_is_enough_beside_one_of_noise(good: int) -> None:
    ecg = record(13, duration_s=60.0)
    samples = ecg.samples.copy()
    noise = make_noise("electrode", len(samples), 2, ecg.hz, np.random.default_rng(1))
    samples[:, 1 - good] = noise[:, 0]
    found = measure(samples, ecg.hz, ecg.leads)
    assert found.peaks is not None
    assert abs(found.peaks.count - len(ecg.truth.times_s)) <= 2
    assert found.analysed_s == 60
    assert "lead_off" in found.leads[1 - good].problems
    assert found.qt_ms.value == pytest.approx(ecg.truth.qt_ms, abs=30)


def test_no_interval_spans_a_gap() -> None:
    ecg = record(10, duration_s=60.0, dropout_s=5.0)
    found = measured(ecg)
    assert found.rr is not None
    assert found.rr.longest_ms < 1200
    assert "gaps" in found.flags


def test_swapped_arms_are_noticed_and_the_axis_withheld() -> None:
    for index in range(25, 30):
        ecg = record(index, 12, swapped_arms=True)
        if 0 < ecg.truth.axis_degrees < 60:
            found = measured(ecg)
            assert "swapped" in found.flags
            assert found.axis_degrees.value is None
            assert "swapped" not in measured(record(index, 12)).flags
            return
    pytest.fail("no such axis among these records")


def test_fibrillation_and_ventricular_beats() -> None:
    found = measured(record(11, 12, rhythm="fibrillation", duration_s=60.0))
    assert found.rhythm.name == "irregular"
    ecg = record(12, 12, rhythm="ventricular_ectopy", duration_s=60.0)
    found = measured(ecg)
    assert ecg.truth.kinds.count("V") > 0
    assert found.rhythm.ventricular_like == ecg.truth.kinds.count("V")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="leads"):
        measure(np.zeros((100, 2)), 250.0, ("I",))
    for hz in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="sampling rate"):
            measure(np.zeros((100, 1)), hz, ("I",))
    assert measure(np.zeros((900, 1)), 20.0, ("I",)).flags == ("sampling_rate",)
