"""What a report says of the changes since an earlier scan."""

from datetime import datetime
from typing import cast

from common.domain.findings import Findings
from common.domain.follow_up import FollowUp, LesionChange
from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from fr_brain.analyzers.base import EarlierScan
from fr_brain.analyzers.volume.follow_up.compare import (
    BRAIN_ERROR_PERCENT,
    Compared,
    compare,
    listed,
)
from fr_brain.analyzers.volume.follow_up.read_heads import (
    MAPS_COMPARED,
    head_now,
    rounded,
    start_by_mni,
    stored_head,
)
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.segment import Segmentation

_DAY_S = 86_400
_THIN_MM = 2.5  # with thicker slices, the error of the brain's volume is not known


def follow_up(
    scan: BrainScan, segmentation: Segmentation, findings: Findings, earlier: EarlierScan
) -> FollowUp:
    """Compare a scan with an earlier one of the same subject.

    Args:
        scan: the header.
        segmentation: of the scan.
        findings: made from the segmentation.
        earlier: the earlier scan, read by the same version of this analyzer.
    """
    before = cast(Findings, earlier.report.findings)
    withheld = _obstacle(findings, before, earlier)
    if withheld is not None:
        return _made(scan, earlier, {"withheld": withheld})
    start = cast(Matrix, start_by_mni(findings, before))  # None is an obstacle
    compared = compare(head_now(segmentation, scan, findings), stored_head(earlier), start)
    about: dict[str, object] = {
        "withheld": compared.withheld,
        "overlap": round(compared.aligned.overlap, 3),
    }
    if compared.withheld is None:
        is_thin = all(max(one.voxel_size_mm or (0,)) <= _THIN_MM for one in (scan, earlier.scan))
        about |= _changes(compared) | _brain_change(findings, before, is_thin=is_thin)
    return _made(scan, earlier, about)


def _made(scan: BrainScan, earlier: EarlierScan, about: dict[str, object]) -> FollowUp:
    report: BrainReport = earlier.report
    now, before = cast(datetime, scan.acquired_at), cast(datetime, earlier.scan.acquired_at)
    return FollowUp.model_validate(
        {
            "previous_scan": report.scan_id,
            "previous_revision": report.revision,
            "previous_acquired_at": before,
            "days": round((now - before).total_seconds() / _DAY_S, 2),
            **about,
        }
    )


def _obstacle(findings: Findings, before: Findings, earlier: EarlierScan) -> str | None:
    """Why the two scans cannot be compared, in a sentence."""
    if not set(MAPS_COMPARED) <= earlier.maps.keys():
        return "The label maps of the previous scan are damaged, or not stored (BRAIN_LABEL_MAPS)."
    for one, which in ((findings, "this"), (before, "the previous")):
        if one.registration is None or one.registration.to_mni is None:
            return f"The head was not found in MNI space in {which} scan."
        if one.lesions is None or one.lesions.volume_ml is None:
            return f"The report of {which} scan does not give the volume of its lesions."
    return None


def _changes(compared: Compared) -> dict[str, object]:
    counts = dict.fromkeys(LesionChange, 0)
    for lesion in compared.lesions:
        if not lesion.doubtful:
            counts[lesion.change] += 1
    new = [one for one in compared.lesions if one.change is LesionChange.NEW and not one.doubtful]
    return {
        **{str(change): count for change, count in counts.items()},
        "doubtful": sum(lesion.doubtful for lesion in compared.lesions),
        "new_ml": round(sum(one.volume_ml for one in new), 4),
        "lesions": listed(compared.lesions),
        "to_previous": rounded(compared.aligned.to_previous),
    }


def _brain_change(findings: Findings, before: Findings, *, is_thin: bool) -> dict[str, object]:
    if findings.volumes is None or before.volumes is None or not before.volumes.brain_ml:
        return {}
    percent = 100 * (findings.volumes.brain_ml / before.volumes.brain_ml - 1)
    return {
        "brain_change_percent": round(percent, 2),
        "brain_error_percent": BRAIN_ERROR_PERCENT if is_thin else None,
    }
