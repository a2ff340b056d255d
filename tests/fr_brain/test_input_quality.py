"""A report says what was wrong with the input of its scan."""

import pytest

from common.domain.findings import Findings, Lesions, Quality, Verdict
from fr_brain.input_quality import with_input_problems


def found(verdict: Verdict, *flags: str) -> Findings:
    lesions = None if verdict is Verdict.FAIL else Lesions(count=0, voxels=0, volume_ml=None)
    quality = Quality(verdict=verdict, flags=flags, reasons=tuple("x" for _ in flags))
    return Findings(quality=quality, lesions=lesions)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Verdict.PASS, Verdict.WARN),
        (Verdict.WARN, Verdict.WARN),
        (Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_a_problem_is_a_flag_and_a_reason(before: Verdict, after: Verdict) -> None:
    quality = with_input_problems(found(before, "noisy"), ("slices_missing",)).quality
    assert (quality.verdict, quality.flags) == (after, ("noisy", "slices_missing"))
    assert "Slices are missing" in quality.reasons[-1]


def test_a_problem_that_the_analyzer_named_is_named_once() -> None:
    findings = found(Verdict.WARN, "slices_missing")
    assert with_input_problems(findings, ("slices_missing",)) == findings


def test_nothing_changes_without_a_problem() -> None:
    findings = found(Verdict.PASS)
    assert with_input_problems(findings, ()) is findings
