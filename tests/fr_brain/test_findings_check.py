"""Findings that cannot become a report are a failed analysis."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.report import REPORT_BYTES_MAX
from common.errors import AnalysisError
from common.store.documents import report_document, stored_bytes
from fr_brain.findings_check import HEADER_BYTES_MAX, checked_findings
from tests.factories import make_report, make_scan
from tests.fr_brain.processors import NOTHING_FOUND


def copied(**quality: Any) -> Findings:
    """Findings that were changed without being validated."""
    return NOTHING_FOUND.model_copy(
        update={"quality": NOTHING_FOUND.quality.model_copy(update=quality)}
    )


def test_valid_findings_pass_unchanged() -> None:
    assert checked_findings(NOTHING_FOUND) == NOTHING_FOUND


@pytest.mark.parametrize(
    "findings",
    [
        copied(noise_percent=float("nan")),
        copied(noise_percent="much"),
        copied(reasons=("\ud800",)),
        copied(reasons="a string"),
        copied(verdict="excellent"),
        Findings.model_construct(quality=None, lesions=None),
        Findings.model_construct(),
        NOTHING_FOUND.model_copy(
            update={"lesions": Lesions.model_construct(count=2**70, voxels=1, volume_ml=None)}
        ),
        None,
        {"quality": "dict"},
    ],
)
def test_findings_that_go_around_validation_are_refused(findings: Any) -> None:
    with pytest.raises(AnalysisError, match="findings"):
        checked_findings(findings)


def test_findings_are_bounded_so_that_their_report_fits_the_smallest_frame() -> None:
    def saying(size: int) -> Findings:
        quality = Quality(verdict=Verdict.WARN, reasons=("x" * size,))
        return NOTHING_FOUND.model_copy(update={"quality": quality})

    rest = stored_bytes(saying(0).model_dump())
    largest = saying(REPORT_BYTES_MAX - HEADER_BYTES_MAX - rest)
    report = make_report(make_scan()[0], findings=checked_findings(largest))
    assert stored_bytes(report_document(report)["report"]) <= REPORT_BYTES_MAX
    with pytest.raises(AnalysisError, match="bytes; a report has room for"):
        checked_findings(saying(REPORT_BYTES_MAX))


def test_numbers_that_bson_or_json_cannot_hold_are_no_findings() -> None:
    with pytest.raises(ValidationError):
        Lesions(count=2**63, voxels=1, volume_ml=None)
    largest = Lesions(count=2**53 - 1, voxels=1, volume_ml=None)
    findings = NOTHING_FOUND.model_copy(update={"lesions": largest})
    assert checked_findings(findings).lesions == largest
    assert stored_bytes(checked_findings(findings).model_dump())


@pytest.mark.parametrize(
    "value", [0, -1, 9, 2**31, 2**53 - 1, 0.5, 1e300, True, "", "ü", (), (1.0,) * 10_000]
)
def test_bson_takes_at_most_eight_times_what_json_takes(value: Any) -> None:
    findings = NOTHING_FOUND.model_copy(update={"parameters": {"a": value}})
    text = findings.model_dump_json()
    assert stored_bytes(findings.model_dump()) <= 8 * len(text)
    assert checked_findings(findings) == findings
