"""What ECG measures refuse: values beside a reason, beats in a failed record."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.ecg_measures import (
    EcgLead,
    EcgMeasures,
    HeartRateVariability,
    Measured,
    Rhythm,
    RPeaks,
    RrStatistics,
)

NONE = Measured.no("no beats")
NO_HRV = HeartRateVariability(
    sdnn_ms=NONE, rmssd_ms=NONE, pnn50_percent=NONE, lf_ms2=NONE, hf_ms2=NONE, lf_hf=NONE
)


def measures(**changes: Any) -> EcgMeasures:
    fields: dict[str, Any] = {
        "verdict": "fail",
        "reasons": ("Only noise.",),
        "flags": ("noisy",),
        "duration_s": 10.0,
        "analysed_s": 0.0,
        "leads": (EcgLead(name="I", grade="unusable", problems=("noisy",), usable=0.0),),
        "peaks": None,
        "rr": None,
        "hrv": NO_HRV,
        "rhythm": Rhythm(name=None, withheld="no beats"),
    }
    for name in ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtc_bazett_ms"):
        fields[name] = NONE
    return EcgMeasures(**fields, qtc_fridericia_ms=NONE, axis_degrees=NONE).model_copy(
        update=changes
    )


def test_a_value_has_a_confidence_or_else_a_reason() -> None:
    assert Measured(value=61.0, confidence=0.9).withheld is None
    assert Measured.no("too short") == Measured(withheld="too short")
    for wrong in (
        {},
        {"value": 1.0},
        {"value": 1.0, "confidence": 0.5, "withheld": "noise"},
        {"confidence": 0.5, "withheld": "noise"},
        {"value": 1.0, "confidence": 1.5},
        {"value": float("nan"), "confidence": 0.5},
    ):
        with pytest.raises(ValidationError):
            Measured(**wrong)


def test_peaks_come_back_from_their_text() -> None:
    peaks = RPeaks.of([100.2, 900.0, 1710.4])
    assert (peaks.count, peaks.listed, peaks.step_ms) == (3, 3, 1)
    assert peaks.times_ms() == (100, 900, 1710)
    assert RPeaks.model_validate_json(peaks.model_dump_json()) == peaks
    with pytest.raises(ValidationError, match="not as many"):
        RPeaks(count=3, listed=2, step_ms=1, encoded=peaks.encoded)
    with pytest.raises(ValidationError, match="not as many"):
        RPeaks(count=2, listed=3, step_ms=1, encoded=peaks.encoded)


def test_a_failed_record_has_no_beats() -> None:
    failed = measures()
    assert EcgMeasures.model_validate_json(failed.model_dump_json()) == failed
    rr = RrStatistics(intervals=1, mean_ms=800, median_ms=800, shortest_ms=800, longest_ms=800)
    for beats in ({"peaks": RPeaks.of([1.0, 801.0])}, {"rr": rr}):
        with pytest.raises(ValidationError, match="must not have beats"):
            EcgMeasures.model_validate({**dict(failed), **beats})


def test_a_verdict_other_than_pass_needs_reasons() -> None:
    with pytest.raises(ValidationError, match="needs reasons"):
        EcgMeasures.model_validate({**dict(measures()), "reasons": ()})


def test_a_rhythm_has_a_name_or_a_reason() -> None:
    for wrong in ({"name": None}, {"name": "sinus", "withheld": "noise"}):
        with pytest.raises(ValidationError, match="either a name"):
            Rhythm(**wrong)


def test_the_schema_describes_each_field() -> None:
    schema = EcgMeasures.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, field in model["properties"].items():
            assert "description" in field, name
