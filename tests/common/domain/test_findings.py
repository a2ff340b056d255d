"""What findings derive from their parts, and which contradictions they refuse."""

import pytest
from pydantic import ValidationError

from common.domain.findings import (
    LESIONS_LISTED_MAX,
    Findings,
    Lesion,
    Lesions,
    Quality,
    Region,
    RegionCounts,
    RegionLoad,
    SizeCounts,
    Verdict,
    Volumes,
)
from tests.strategies import a_report

NO_LESIONS = Lesions(count=0, voxels=0, volume_ml=0.0)


FAILED = Quality(verdict=Verdict.FAIL, reasons=("it is empty",))


def lesions(*ml: float, count: int | None = None) -> Lesions:
    listed = tuple(
        Lesion(voxels=1, volume_ml=one, centroid_voxel=(0, 0, 0), centroid_mm=None) for one in ml
    )
    return Lesions(count=count or len(ml), voxels=9, volume_ml=sum(ml), largest=listed)


def test_verdict_fail_has_no_measures() -> None:
    assert Findings(quality=FAILED, lesions=None).volumes is None
    with pytest.raises(ValidationError, match="must not have lesions"):
        Findings(quality=FAILED, lesions=NO_LESIONS)
    with pytest.raises(ValidationError, match="must not have lesions"):
        Findings(quality=FAILED, lesions=None, volumes=Volumes(head_ml=0, brain_ml=0))


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.WARN])
def test_any_other_verdict_needs_lesions(verdict: Verdict) -> None:
    assert Findings(quality=Quality(verdict=verdict), lesions=NO_LESIONS).volumes is None
    with pytest.raises(ValidationError, match="must have lesions"):
        Findings(quality=Quality(verdict=verdict), lesions=None)


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


def test_without_volumes_lesions_are_not_counted_by_size() -> None:
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


def test_regions_are_counted_with_their_volumes_where_these_are_known() -> None:
    deep, low = Region.DEEP_WHITE_MATTER, Region.INFRATENTORIAL
    counts = RegionCounts.of([(deep, 1.0), (low, 0.5), (deep, 0.25)])
    assert counts.deep_white_matter == RegionLoad(count=2, volume_ml=1.25)
    assert counts.infratentorial == RegionLoad(count=1, volume_ml=0.5)
    assert counts.juxtacortical == RegionLoad(count=0, volume_ml=0)
    withheld = RegionCounts.of([(deep, None), (deep, 1.0)])
    assert withheld.deep_white_matter == RegionLoad(count=2, volume_ml=None)
