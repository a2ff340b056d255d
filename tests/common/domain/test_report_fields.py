"""What a report fills in by itself, and how those of an older release are read."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.findings import (
    LESIONS_LISTED_MAX,
    Findings,
    Lesion,
    Lesions,
    SizeCounts,
    Volumes,
)
from common.domain.report import BrainReport, report_id_of
from tests.strategies import a_report

OLD: dict[str, Any] = {
    "schema_version": 1,
    "scan_id": "scan-1",
    "pacs": "pacs-1",
    "scan_type": "volume",
    "voxels_hash": "0" * 64,
    "shape": [4, 5, 6],
    "voxel_size_mm": [1.0, 1.0, 1.0],
    "orientation": "RAS",
    "analyzer": {"name": "volume", "version": "1"},
    "analysed_at": "2024-05-17T12:00:00Z",
    "run_time_ms": 12.5,
    "findings": {
        "quality": {"verdict": "warn", "reasons": ["noisy"]},
        "lesions": {
            "count": 3,
            "voxels": 5,
            "volume_ml": 0.005,
            "largest": [
                {
                    "voxels": 3,
                    "volume_ml": 0.003,
                    "centroid_voxel": [1.0, 2.0, 3.0],
                    "centroid_mm": [1.0, 2.0, 3.0],
                }
            ],
        },
        "volumes": {"head_ml": 0.12, "brain_ml": 0.1},
        "limitations": ["checked on phantoms"],
    },
    "notice": "not for diagnosis",
}
"""As the release before wrote it."""


def lesions(*ml: float, count: int | None = None) -> Lesions:
    listed = tuple(
        Lesion(voxels=1, volume_ml=one, centroid_voxel=(0, 0, 0), centroid_mm=None) for one in ml
    )
    return Lesions(count=count or len(ml), voxels=9, volume_ml=sum(ml), largest=listed)


def test_a_report_of_the_first_schema_is_read_and_stays_one() -> None:
    report = BrainReport.model_validate(OLD)
    assert (report.schema_version, report.revision, report.subject) == (1, 1, None)
    assert report.report_id == report_id_of("scan-1", 1)
    assert report.findings.lesions is not None
    assert report.findings.lesions.by_size is None  # two lesions are not listed: nobody knows
    assert report.findings.lesions.largest[0].id == 1
    assert report.findings.volumes == Volumes(head_ml=0.12, brain_ml=0.1)
    assert BrainReport.model_validate(report.model_dump(mode="json")) == report


def test_each_revision_has_an_id_of_its_own_and_no_other() -> None:
    ids = {a_report(scan_id=name, revision=n).report_id for name in ("a", "b") for n in (1, 2)}
    assert len(ids) == 4
    with pytest.raises(ValidationError, match="not that of this scan and revision"):
        a_report(report_id=a_report(revision=2).report_id)
    with pytest.raises(ValidationError):
        a_report(report_id="mine")


def test_lesions_that_are_all_listed_are_counted_by_size_and_numbered() -> None:
    summary = lesions(5.0, 1.0, 0.5, 0.1, 0.05, 0.03, 0.0299, 0.0)
    assert summary.by_size == SizeCounts(
        below_0_03_ml=2, from_0_03_to_0_1_ml=2, from_0_1_to_1_ml=2, above_1_ml=2
    )
    assert [lesion.id for lesion in summary.largest] == list(range(1, 9))


def test_lesions_that_are_not_all_listed_are_counted_by_the_analyzer_or_not_at_all() -> None:
    assert lesions(1.0, count=7).by_size is None
    given = SizeCounts.of([1.0] * 7)
    assert Lesions(count=7, voxels=7, volume_ml=7, by_size=given).by_size == given


def test_an_image_not_in_space_has_no_sizes() -> None:
    assert Lesions(count=0, voxels=0, volume_ml=None).by_size is None
    assert Lesions(count=0, voxels=0, volume_ml=0.0).by_size == SizeCounts.of([])


def test_volumes_have_their_share_of_the_intracranial_where_that_is_known() -> None:
    known = Volumes(head_ml=4000, brain_ml=1200, grey_matter_ml=700, intracranial_ml=1500)
    assert (known.brain_percent, known.grey_matter_percent, known.csf_percent) == (80, 46.67, None)
    assert Volumes(head_ml=4000, brain_ml=1200).brain_percent is None
    assert Volumes(head_ml=1, brain_ml=1, intracranial_ml=0).brain_percent is None


def test_more_lesions_than_a_report_lists_are_refused() -> None:
    one = Lesion(voxels=1, volume_ml=1, centroid_voxel=(0,), centroid_mm=None)
    with pytest.raises(ValidationError, match="at most"):
        Lesions(count=999, voxels=9, volume_ml=9, largest=(one,) * (LESIONS_LISTED_MAX + 1))


@pytest.mark.parametrize("name", ["", "Capital", "with space", "a.b", "$a", "x" * 49])
def test_a_parameter_has_a_name_that_any_store_takes(name: str) -> None:
    findings = a_report().findings.model_dump()
    good = Findings.model_validate({**findings, "parameters": {"shell_mm": 4, "steps": [1, 2.5]}})
    assert good.parameters == {"shell_mm": 4, "steps": (1, 2.5)}
    with pytest.raises(ValidationError):
        Findings.model_validate({**findings, "parameters": {name: 1}})
