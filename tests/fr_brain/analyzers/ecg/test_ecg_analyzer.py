"""The analyzer of ECGs: zero crossings of each lead, and what limits them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from common.domain.ecg_measures import EcgMeasures
from common.domain.findings import Verdict
from fr_brain.analyzers.ecg.ecg_analyzer import EcgAnalyzer
from fr_brain.analyzers.ecg.zero_crossings import LoopZeroCrossings
from fr_brain.analyzers.registry import load_analyzers
from tests.common.domain.test_ecg_measures import measures
from tests.factories import make_ecg, make_scan

SEED = [1, 0, -1, 0, 1, 0, 0, 1]


def analysed(samples: Any, **signal: Any) -> Any:
    scan, voxels = make_ecg(np.array(samples, np.float32), **signal)
    return EcgAnalyzer(measure=None).analyse(scan, scan.array(voxels))


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


def test_what_is_measured_is_in_millivolts_and_judges_the_recording() -> None:
    seen: list[Any] = []

    def measure(samples: Any, hz: float, leads: Sequence[str]) -> EcgMeasures:
        seen.append((samples.tolist(), samples.dtype.name, hz, leads))
        return measures(verdict="warn", reasons=("Noise.",), flags=("noisy",))

    scan, voxels = make_ecg(np.array([[1000], [np.nan], [-1000]], np.float32), units="uV", hz=500)
    findings = EcgAnalyzer(measure=measure).analyse(scan, scan.array(voxels))
    [(samples, dtype, hz, leads)] = seen
    assert (samples[0], samples[2], dtype, hz, leads) == ([1], [-1], "float32", 500, ("V1",))
    assert findings.measures is not None
    assert findings.quality.verdict is Verdict.WARN
    assert findings.quality.flags == ("noisy", "samples_missing")


def test_what_has_no_rate_or_is_no_voltage_is_not_measured() -> None:
    def measure(*_: Any) -> EcgMeasures:
        raise AssertionError

    samples = np.array([[1], [-1]], np.float32)
    cases: dict[str, dict[str, Any]] = {
        "not_a_voltage": {"units": "mmHg"},
        "no_sampling_rate": {"hz": None},
    }
    for flag, fields in cases.items():
        scan, voxels = make_ecg(samples, **fields)
        findings = EcgAnalyzer(measure=measure).analyse(scan, scan.array(voxels))
        assert findings.measures is None
        assert (findings.quality.verdict, findings.quality.flags) == (Verdict.WARN, (flag,))
        assert findings.crossings[0].zero_crossings == 1


def test_the_way_of_counting_can_be_chosen() -> None:
    scan, voxels = make_ecg(np.array(SEED, np.float32)[:, None])
    [one] = EcgAnalyzer(LoopZeroCrossings()).analyse(scan, scan.array(voxels)).crossings
    assert one.zero_crossings == 2


def test_it_is_registered_for_ecgs() -> None:
    assert isinstance(load_analyzers().pick("ecg"), EcgAnalyzer)
