"""Findings of every kind share one field of a report, and are told apart by their kind."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.finding_kinds import OtherFindings
from common.domain.findings import AnyQuality, Findings, Verdict
from common.domain.report import BrainReport
from common.domain.report_text import report_text
from common.domain.scan import Signal
from tests.strategies import a_report

PASS = AnyQuality(verdict=Verdict.PASS)
ECG = EcgFindings(quality=PASS, crossings=(LeadCrossings(lead="I", zero_crossings=2),))


def other(**fields: Any) -> OtherFindings:
    known: dict[str, Any] = {
        "kind": "eeg",
        "quality": PASS,
        "content_schema": "urn:a-lab:eeg:1",
        "content": {"alpha_hz": 10.5, "bands": [1, None, "x", True]},
    }
    return OtherFindings(**{**known, **fields})


def as_sent(report: BrainReport) -> BrainReport:
    return BrainReport.model_validate_json(report.model_dump_json())


@pytest.mark.parametrize("findings", [ECG, other(), a_report().findings], ids=lambda f: f.kind)
def test_each_kind_comes_back_as_what_it_is(findings: Any) -> None:
    read = as_sent(a_report(findings=findings)).findings
    assert type(read) is type(findings)
    assert read == findings


def test_findings_without_a_kind_are_of_a_brain() -> None:
    told = a_report().model_dump(mode="json")
    del told["findings"]["kind"], told["signal"]
    read = BrainReport.model_validate({**told, "schema_version": 3})
    assert isinstance(read.findings, Findings)
    assert read.findings == a_report().findings
    assert read.signal is None


def test_a_plug_in_cannot_pass_for_a_kind_that_has_a_model() -> None:
    for kind in ("brain", "ecg"):
        with pytest.raises(ValidationError):
            other(kind=kind)


@pytest.mark.parametrize(
    "content",
    [
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": 2**53},
        {"": 1},
        {"$a": 1},
        {"a": {"b.c": 1}},
        {"a": "\ud800"},
        {"a": b"bytes"},
    ],
    ids=str,
)
def test_content_that_a_store_or_a_reader_cannot_represent_is_refused(content: Any) -> None:
    with pytest.raises(ValidationError):
        other(content=content)


def test_content_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValidationError, match="nested"):
        other(content={"a": deep})


def test_the_text_of_an_ecg_has_no_lesions_and_no_millimetres() -> None:
    signal = Signal(sampling_rate_hz=500, leads=("I",), units="mV")
    report = a_report(
        scan_type="ecg",
        findings=ECG,
        signal=signal,
        shape=(5000, 1),
        voxel_size_mm=None,
        orientation=None,
    )
    text = report_text(report)
    assert text.startswith(
        "ECG report of scan scan-1\nScan:      ecg, 1 lead (I), 10 s at 500 Hz\n"
    )
    assert "Zero crossings: I 2\n" in text
    assert "lesion" not in text.lower()
    assert " mm" not in text
    assert "Lesions:" not in report_text(a_report(findings=other()))
    assert "urn:a-lab:eeg:1" in report_text(a_report(findings=other()))
