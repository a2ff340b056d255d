"""Findings that cannot become a report are a failed analysis."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.findings import (
    Findings,
    HeadRegistration,
    Lesion,
    Lesions,
    Quality,
    Region,
    RegionCounts,
    Verdict,
    Volumes,
)
from common.domain.report import REPORT_BYTES_MAX
from common.domain.types import Value
from common.domain.with_t1 import WithT1
from common.errors import AnalysisError
from common.store.documents import report_document, stored_bytes
from fr_brain.findings_check import HEADER_BYTES_MAX, checked_findings, most_bytes
from tests.factories import make_report, make_scan
from tests.fr_brain.processors import NOTHING_FOUND


def copied(**quality: Any) -> Findings:
    """Findings whose quality was changed."""
    return NOTHING_FOUND.model_copy(
        update={"quality": NOTHING_FOUND.quality.model_copy(update=quality)}
    )


class LooseLesions(Lesions):
    count: Any = 0
    more: int = 1


class MoreFindings(Findings):
    more: int = 1


def with_parameter(value: Any) -> Findings:
    """Findings that were changed after they had been validated."""
    findings = NOTHING_FOUND.model_copy(update={"parameters": {"a": 1}})
    findings.parameters["b"] = value
    return findings


def test_valid_findings_pass_unchanged() -> None:
    assert checked_findings(NOTHING_FOUND) == NOTHING_FOUND


@pytest.mark.parametrize(
    "make",
    [
        lambda: copied(noise_percent=float("nan")),
        lambda: copied(noise_percent="much"),
        lambda: copied(reasons=("\ud800",)),
        lambda: copied(reasons="a string"),
        lambda: copied(verdict="excellent"),
        lambda: copied(verdict=Verdict.FAIL),
        lambda: Findings.model_construct(quality=None, lesions=None),
        lambda: Findings.model_construct(),
        lambda: NOTHING_FOUND.model_copy(update={"limitations": ("\ud800",)}),
        lambda: NOTHING_FOUND.model_copy(update={"more": 1}),
        lambda: Lesions.model_construct(count=2**70, voxels=1, volume_ml=None),
        lambda: NOTHING_FOUND.model_copy(
            update={"lesions": LooseLesions(count="x", voxels=1, volume_ml=None)}
        ),
    ],
)
def test_there_is_no_way_around_validation(make: Callable[[], Findings]) -> None:
    with pytest.raises(ValidationError):
        make()


@pytest.mark.parametrize(
    "findings",
    [
        None,
        {"quality": "dict"},
        MoreFindings(**dict(NOTHING_FOUND)),
        with_parameter(float("nan")),
        with_parameter("\ud800"),
        with_parameter(object()),
        with_parameter([[1.0]]),
    ],
)
def test_what_cannot_be_a_report_is_refused(findings: Any) -> None:
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


def test_what_is_said_of_another_scan_is_bounded_too() -> None:
    with_t1 = WithT1(t1_scan="t1", t1_revision=1, withheld="x" * REPORT_BYTES_MAX)
    with pytest.raises(AnalysisError, match="bytes; a report has room for"):
        checked_findings(NOTHING_FOUND.model_copy(update={"with_t1": with_t1}))


def test_numbers_that_bson_or_json_cannot_hold_are_no_findings() -> None:
    with pytest.raises(ValidationError):
        Lesions(count=2**63, voxels=1, volume_ml=None)
    largest = Lesions(count=2**53 - 1, voxels=1, volume_ml=None)
    findings = NOTHING_FOUND.model_copy(update={"lesions": largest})
    assert checked_findings(findings).lesions == largest
    assert stored_bytes(checked_findings(findings).model_dump())


@pytest.mark.parametrize("count", [0, 1, 300])
def test_findings_are_encoded_only_if_they_may_be_too_large(count: int) -> None:
    lesion = Lesion(
        voxels=2**52,
        volume_ml=1e300,
        centroid_voxel=(1e300,) * 3,
        centroid_mm=(1e300,) * 3,
        mni_mm=(1e300,) * 3,
        region=Region.DEEP_WHITE_MATTER,
        slice_number=2**52,
        extent_mm=(1e300,) * 3,
        intensity_ratio=1e300,
        confidence=1.0,
    )
    lesions = Lesions(
        count=count,
        voxels=2**52,
        volume_ml=1e300,
        missed="\U0001f9e0" * 3000,
        by_region=RegionCounts.of((region, 1e300) for region in Region),
        largest=(lesion,) * count,
    )
    quality = Quality(
        verdict=Verdict.WARN,
        reasons=("\U0001f9e0" * count,) * 3,
        flags=("a" * 48,) * 3,
        noise_percent=1e300,
    )
    parameters: dict[str, Value] = {
        "a" * 48: (1e300,) * count,
        "b" * 48: "\U0001f9e0" * count,
        "c" * 48: 2**52,
        "d" * 48: True,
    }
    findings = Findings(
        quality=quality,
        lesions=lesions,
        volumes=Volumes(**dict.fromkeys(Volumes.model_fields, 1e300)),
        registration=HeadRegistration(
            template="\U0001f9e0" * count + "t",
            overlap=1.0,
            to_mni=((1e300,) * 4,) * 3,
            withheld="\U0001f9e0" * count,
        ),
        parameters=parameters,
        thresholds=dict.fromkeys(parameters, 1e300),
        limitations=("\U0001f9e0" * count,) * 3,
    )
    assert stored_bytes(findings.model_dump()) <= most_bytes(findings)
    assert checked_findings(findings) == findings
