"""What a report on a FLAIR scan says of the T1 scan of the same study.

The two scans are aligned by their tissues, rigidly, as a scan and an earlier one are. ``METHOD.md``
explains the constants.
"""

from typing import cast

import numpy as np

from common.domain.findings import Findings, Volumes
from common.domain.scan import BrainScan
from common.domain.with_t1 import LESIONS_LISTED_MAX, LesionOnT1, WithT1
from fr_brain.analyzers.base import AnalysedScan
from fr_brain.analyzers.volume.follow_up.labelled_head import tissue_blocks
from fr_brain.analyzers.volume.follow_up.read_heads import (
    MAPS_COMPARED,
    head_now,
    rounded,
    start_by_mni,
    stored_head,
)
from fr_brain.analyzers.volume.follow_up.rigid import align_with_previous
from fr_brain.analyzers.volume.segment import Segmentation
from fr_brain.analyzers.volume.tissue import CSF, GREY
from fr_brain.analyzers.volume.with_t1.lesions_on_t1 import LesionsOnT1, lesions_on_t1

_MISFIT_MAX, _OVERLAP_MIN = 0.25, 0.96  # of a FLAIR and a T1 scan of one head
_INTRACRANIAL_MAX = 5.0  # difference of the two intracranial volumes, %

_SAME_PLACE = np.eye(3, 4)


def with_t1(
    scan: BrainScan, segmentation: Segmentation, findings: Findings, t1: AnalysedScan
) -> WithT1:
    """Read a FLAIR scan together with a T1 scan of the same study.

    Args:
        scan: the header.
        segmentation: of the FLAIR scan.
        findings: made from the segmentation.
        t1: the T1 scan, read by the same version of this analyzer.
    """
    its = cast(Findings, t1.report.findings)
    if not set(MAPS_COMPARED) <= t1.maps.keys():
        return _made(t1, {"withheld": "The label maps of the T1 scan are damaged, or not stored."})
    own, other = head_now(segmentation, scan, findings), stored_head(t1)
    start = start_by_mni(findings, its)
    # Scans of one study are usually in the same coordinates.
    start = _SAME_PLACE if start is None else start
    aligned = align_with_previous(tissue_blocks(own), tissue_blocks(other), start)
    about: dict[str, object] = {"overlap": round(aligned.overlap, 3)}
    if aligned.misfit > _MISFIT_MAX or aligned.overlap < _OVERLAP_MIN:
        reason = "The two scans do not fit each other: one was misread, or they are of two people."
        return _made(t1, {**about, "withheld": reason})
    found = lesions_on_t1(own, other, aligned.to_previous)
    about["to_t1"] = rounded(aligned.to_previous)
    about["lesions"] = _listed(found)
    about |= _intracranial(findings, its)
    about |= _corrected(its, found, other.voxel_ml)
    return _made(t1, about)


def _made(t1: AnalysedScan, about: dict[str, object]) -> WithT1:
    named = {"t1_scan": t1.report.scan_id, "t1_revision": t1.report.revision}
    return WithT1.model_validate({**named, **about})


def _listed(found: LesionsOnT1) -> tuple[LesionOnT1, ...]:
    listed = [
        LesionOnT1(id=label, not_white=round(1 - int(white) / int(voxels), 2))
        for label, (voxels, white) in enumerate(zip(found.voxels, found.white, strict=True))
        if voxels
    ]
    return tuple(listed[:LESIONS_LISTED_MAX])


def _intracranial(findings: Findings, its: Findings) -> dict[str, object]:
    if findings.volumes is None or its.volumes is None:
        return {}
    own, ml = findings.volumes.intracranial_ml, its.volumes.intracranial_ml
    if not own or ml is None:
        return {}
    percent = 100 * (ml / own - 1)
    doubt = (
        f"The intracranial volumes of the two scans differ by {abs(percent):.1f} %, so at least "
        "one of them is wrong."
    )
    return {
        "t1_intracranial_ml": ml,
        "intracranial_difference_percent": round(percent, 1),
        "doubt": doubt if abs(percent) > _INTRACRANIAL_MAX else None,
    }


def _corrected(its: Findings, found: LesionsOnT1, voxel_ml: float) -> dict[str, object]:
    """The tissues of the T1 scan, with the lesions of the FLAIR scan as white matter."""
    volumes: Volumes | None = its.volumes
    if volumes is None or volumes.csf_ml is None:
        return {}
    from_csf = min(float(found.missed[CSF].sum()) * voxel_ml, volumes.csf_ml)
    out: dict[str, object] = {"csf_ml": volumes.csf_ml - from_csf, "from_csf_ml": from_csf}
    lesions = 0.0 if its.lesions is None else its.lesions.volume_ml
    grey, white = volumes.grey_matter_ml, volumes.white_matter_ml
    if grey is not None and white is not None and lesions is not None:
        from_grey = min(float(found.missed[GREY].sum()) * voxel_ml, grey)
        out["grey_matter_ml"] = grey - from_grey
        out["white_matter_ml"] = white + lesions + from_grey + from_csf
        out["from_grey_matter_ml"] = from_grey
    return out
