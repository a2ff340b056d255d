"""The analyzer of ECGs: zero crossings of each lead, and what limits them."""

from typing import Any

import numpy as np
import pytest

from common.domain.findings import Verdict
from fr_brain.analyzers.ecg.ecg_analyzer import EcgAnalyzer
from fr_brain.analyzers.ecg.zero_crossings import LoopZeroCrossings
from fr_brain.analyzers.registry import load_analyzers
from tests.factories import make_ecg, make_scan

SEED = [1, 0, -1, 0, 1, 0, 0, 1]


def analysed(samples: Any, **signal: Any) -> Any:
    scan, voxels = make_ecg(np.array(samples, np.float32), **signal)
    return EcgAnalyzer().analyse(scan, scan.array(voxels))


def test_each_lead_has_its_crossings() -> None:
    findings = analysed(np.column_stack([SEED, np.ones(8)]), leads=("I", "II"))
    assert [(one.lead, one.zero_crossings) for one in findings.crossings] == [("I", 2), ("II", 0)]
    assert findings.quality.verdict is Verdict.PASS


def test_missing_samples_are_said() -> None:
    findings = analysed([[1], [np.nan], [-1], [1]])
    assert findings.crossings[0].zero_crossings == 1
    assert findings.quality.verdict is Verdict.WARN
    assert findings.quality.flags == ("samples_missing",)
    assert findings.quality.reasons == ("25 % of the samples are missing or not finite.",)


def test_samples_that_are_no_voltage_are_said() -> None:
    assert analysed([[1], [2]], units="mmHg").quality.flags == ("not_a_voltage",)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_recording_without_a_finite_sample_fails(value: float) -> None:
    findings = analysed([[value]] * 4)
    assert findings.quality.verdict is Verdict.FAIL
    assert findings.measures is None


def test_an_image_that_calls_itself_an_ecg_fails() -> None:
    scan, voxels = make_scan(scan_type="ecg")
    findings = EcgAnalyzer().analyse(scan, scan.array(voxels))
    assert findings.quality.verdict is Verdict.FAIL
    assert findings.crossings == ()


def test_the_way_of_counting_can_be_chosen() -> None:
    scan, voxels = make_ecg(np.array(SEED, np.float32)[:, None])
    [one] = EcgAnalyzer(LoopZeroCrossings()).analyse(scan, scan.array(voxels)).crossings
    assert one.zero_crossings == 2


def test_it_is_registered_for_ecgs() -> None:
    assert isinstance(load_analyzers().pick("ecg"), EcgAnalyzer)
