"""What changed between two reports, and nothing else."""

from common.domain.findings import Findings, Lesion, Lesions, Quality, Verdict
from common.domain.report import AnalyzerId, BrainReport
from common.domain.report_changes import Changed, changes
from tests.factories import make_report, make_scan


def report(revision: int, *voxels: int, version: str = "1", **quality: object) -> BrainReport:
    scan, _ = make_scan(scan_id="scan-1")
    lesions = tuple(
        Lesion(voxels=n, volume_ml=None, centroid_voxel=(0.0, 0.0), centroid_mm=None)
        for n in voxels
    )
    return make_report(
        scan,
        revision=revision,
        analyzer=AnalyzerId(name="grid", version=version),
        findings=Findings(
            quality=Quality.model_validate({"verdict": Verdict.PASS, **quality}),
            lesions=Lesions(count=len(voxels), voxels=sum(voxels), volume_ml=None, largest=lesions),
        ),
    )


def test_the_same_findings_have_no_changes() -> None:
    assert changes(report(1, 3), report(2, 3)) == []


def test_each_field_with_another_value_is_named() -> None:
    found = changes(report(1, 5, 3), report(2, 7, version="2", flags=("noisy",)))
    by_field = {one.field: (one.before, one.after) for one in found}
    assert by_field["analyzer.version"] == ("1", "2")
    assert by_field["findings.quality.flags.0"] == (None, "noisy")
    assert by_field["findings.lesions.count"] == (2, 1)
    assert by_field["findings.lesions.largest.0.voxels"] == (5, 7)
    assert by_field["findings.lesions.largest.1.voxels"] == (3, None)
    assert by_field["findings.lesions.largest.1.centroid_voxel.0"] == (0.0, None)
    assert not any(isinstance(value, list | dict) for one in by_field.values() for value in one)
    assert Changed("analyzer.version", "1", "2") in found
    assert not any(field.startswith(("report_id", "revision")) for field in by_field)
