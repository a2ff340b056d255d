"""Findings of an ECG: zero crossings whatever the quality, and measures of the same verdict."""

import pytest
from pydantic import ValidationError

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.findings import AnyQuality, Verdict
from tests.common.domain.test_ecg_measures import measures

CROSSINGS = (
    LeadCrossings(lead="I", zero_crossings=7),
    LeadCrossings(lead="II", zero_crossings=None),
)


def test_a_recording_that_cannot_be_analysed_has_its_crossings() -> None:
    failed = AnyQuality(verdict=Verdict.FAIL, reasons=("Only noise.",))
    findings = EcgFindings(quality=failed, crossings=CROSSINGS, measures=measures())
    assert [one.zero_crossings for one in findings.crossings] == [7, None]
    assert findings.lesions is None
    assert findings.volumes is None


def test_quality_and_measures_fail_together() -> None:
    with pytest.raises(ValidationError, match="together"):
        EcgFindings(
            quality=AnyQuality(verdict=Verdict.PASS), crossings=CROSSINGS, measures=measures()
        )


def test_a_count_is_not_negative() -> None:
    with pytest.raises(ValidationError):
        LeadCrossings(lead="I", zero_crossings=-1)
