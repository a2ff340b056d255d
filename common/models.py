"""What plug-ins import: the models moved to ``common.domain``, this name stays."""

from common.domain.findings import Findings, Lesion, Lesions, Quality, SizeCounts, Verdict, Volumes
from common.domain.report import NOTICE, AnalyzerId, BrainReport, report_id_of
from common.domain.scan import AXIS_LABELS, BrainScan, Packing
from common.domain.types import (
    Affine,
    AffineRow,
    DType,
    Flag,
    Frozen,
    Identifier,
    Instant,
    Name,
    ScanType,
    Value,
    hash_voxels,
    utc_now,
)

__all__ = [
    "AXIS_LABELS",
    "NOTICE",
    "Affine",
    "AffineRow",
    "AnalyzerId",
    "BrainReport",
    "BrainScan",
    "DType",
    "Findings",
    "Flag",
    "Frozen",
    "Identifier",
    "Instant",
    "Lesion",
    "Lesions",
    "Name",
    "Packing",
    "Quality",
    "ScanType",
    "SizeCounts",
    "Value",
    "Verdict",
    "Volumes",
    "hash_voxels",
    "report_id_of",
    "utc_now",
]
