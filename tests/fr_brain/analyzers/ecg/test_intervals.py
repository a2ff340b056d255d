"""PR, QRS and QT of average beats with known waves."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.average import average_beat
from fr_brain.analyzers.ecg.intervals import Waves, find_waves
from tests.fr_brain.analyzers.ecg.records import record


def waves_of(index: int, **changes: object) -> tuple[Waves, dict[str, float]]:
    ecg = record(index, 12, **changes)
    average = average_beat(ecg.samples, ecg.hz, ecg.truth.times_s, 0.86)
    assert average is not None
    waves = find_waves(average, average.values, np.arange(12), 0.86)
    assert waves is not None
    truth = ecg.truth
    return waves, {"pr": truth.pr_ms or 0, "qrs": truth.qrs_ms, "qt": truth.qt_ms}


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("hz", [250.0, 1000.0])
def test_intervals_are_those_of_the_truth(index: int, hz: float) -> None:
    waves, true = waves_of(index, hz=hz)
    assert waves.pr_s == pytest.approx(true["pr"] / 1000, abs=0.015)
    assert waves.qrs_s == pytest.approx(true["qrs"] / 1000, abs=0.015)
    assert waves.qt_s == pytest.approx(true["qt"] / 1000, abs=0.02)


def test_there_is_no_p_wave_where_there_is_none() -> None:
    ecg = record(3, 12)
    samples = ecg.samples.copy()
    for time in ecg.truth.times_s:
        start, end = round((time - 0.27) * ecg.hz), round((time - 0.07) * ecg.hz)
        if start >= 0:
            samples[start:end] = 0
    average = average_beat(samples, ecg.hz, ecg.truth.times_s, 0.86)
    assert average is not None
    waves = find_waves(average, average.values, np.arange(12), 0.86)
    assert waves is not None
    assert waves.pr_s is None


def test_without_leads_there_are_no_waves() -> None:
    ecg = record(1)
    average = average_beat(ecg.samples, ecg.hz, ecg.truth.times_s, 0.86)
    assert average is not None
    assert find_waves(average, average.values, np.zeros(0, np.intp), 0.86) is None
