"""The labelled heads of a scan that is being read, and of another one that is stored."""

from typing import cast

import numpy as np

from common.domain.findings import Findings
from common.domain.scan import BrainScan
from common.domain.types import Affine
from fr_brain.analyzers.base import AnalysedScan
from fr_brain.analyzers.volume.follow_up.labelled_head import LabelledHead
from fr_brain.analyzers.volume.follow_up.matching import inverse
from fr_brain.analyzers.volume.label_maps import LESIONS_APART
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.segment import Segmentation

MAPS_COMPARED = ("lesions", "tissues")
"""The label maps of the other scan that are needed."""


def head_now(segmentation: Segmentation, scan: BrainScan, findings: Findings) -> LabelledHead:
    """A scan as its label maps have it.

    Args:
        segmentation: of the scan.
        scan: the header.
        findings: made from the segmentation.
    """
    low, high = segmentation.tissue_planes()
    masks = segmentation.intracranial_masks
    tissues = masks.unpacked(low).view(np.uint8) | masks.unpacked(high).view(np.uint8) << 1
    lesions = np.minimum(segmentation.labels, LESIONS_APART).astype(np.uint8)
    return LabelledHead(
        segmentation.to_scan(lesions), segmentation.to_scan(tissues), matrix(scan.affine),
        _filled(scan, findings), _listed_ml(findings),
    )  # fmt: skip


def stored_head(other: AnalysedScan) -> LabelledHead:
    """Another scan, whose label maps are stored."""
    findings = cast(Findings, other.report.findings)
    return LabelledHead(
        other.maps["lesions"],
        other.maps["tissues"],
        matrix(other.scan.affine),
        _filled(other.scan, findings),
        _listed_ml(findings),
    )


def start_by_mni(findings: Findings, other: Findings) -> Matrix | None:
    """mm in a scan's space to mm in another scan's of the same head, by way of MNI space; None if
    one of the two heads was not found there."""
    places = [
        None if one.registration is None else one.registration.to_mni for one in (findings, other)
    ]
    if None in places:
        return None
    to_mni, others = (matrix(place) for place in places)
    back = inverse(others)
    return np.column_stack([back[:, :3] @ to_mni[:, :3], back[:, :3] @ to_mni[:, 3] + back[:, 3]])


def matrix(affine: Affine | None) -> Matrix:
    """An affine transform as an array, 3 x 4."""
    return np.array(cast(Affine, affine), np.float64)


def rounded(affine: Matrix) -> Affine:
    """A rigid transform with the digits that matter: they move no point of a head by 0.02 mm."""
    x, y, z = (
        (round(float(a), 5), round(float(b), 5), round(float(c), 5), round(float(shift), 3))
        for a, b, c, shift in affine
    )
    return x, y, z


def _filled(scan: BrainScan, findings: Findings) -> float:
    """Volume of the lesions of a report over that of their voxels."""
    lesions, voxel_ml = findings.lesions, scan.voxel_ml
    if lesions is None or lesions.volume_ml is None or not lesions.voxels or not voxel_ml:
        return 1.0
    return lesions.volume_ml / (lesions.voxels * voxel_ml)


def _listed_ml(findings: Findings) -> tuple[float, ...]:
    """Volumes of the lesions that a report lists; none if it withholds one."""
    listed = () if findings.lesions is None else findings.lesions.largest
    volumes = tuple(lesion.volume_ml for lesion in listed if lesion.volume_ml is not None)
    return volumes if len(volumes) == len(listed) else ()
