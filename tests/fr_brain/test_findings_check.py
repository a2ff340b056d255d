"""Findings that cannot become a report are a failed analysis."""

from typing import Any

import pytest

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
