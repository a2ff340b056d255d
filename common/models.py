"""What plug-ins import: the models moved to ``common.domain``, this name stays."""

from common.domain.findings import Findings, Lesion, Lesions, Quality, SizeCounts, Verdict, Volumes
from common.domain.report import NOTICE, AnalyzerId, BrainReport, report_id_of
from common.domain.scan import BrainScan, Packing
from common.domain.types import (
    Affine,
    DType,
    Frozen,
    Identifier,
    Instant,
    ScanType,
    hash_voxels,
    utc_now,
)

__all__ = [
    "NOTICE",
    "Affine",
    "AnalyzerId",
    "BrainReport",
    "BrainScan",
    "DType",
    "Findings",
    "Frozen",
    "Identifier",
    "Instant",
    "Lesion",
    "Lesions",
    "Packing",
    "Quality",
    "ScanType",
    "SizeCounts",
    "Verdict",
    "Volumes",
    "hash_voxels",
    "report_id_of",
    "utc_now",
]
