"""What plug-ins import: the models moved to ``common.domain``, this name stays."""

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.ecg_measures import EcgMeasures
from common.domain.finding_kinds import AnyFindings, OtherFindings
from common.domain.findings import (
    AnyQuality,
    Findings,
    Lesion,
    Lesions,
    Quality,
    SizeCounts,
    Verdict,
    Volumes,
)
from common.domain.report import NOTICE, AnalyzerId, BrainReport, report_id_of
from common.domain.scan import AXIS_LABELS, BrainScan, Packing, Signal
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
    "AnyFindings",
    "AnyQuality",
    "BrainReport",
    "BrainScan",
    "DType",
    "EcgFindings",
    "EcgMeasures",
    "Findings",
    "Flag",
    "Frozen",
    "Identifier",
    "Instant",
    "LeadCrossings",
    "Lesion",
    "Lesions",
    "Name",
    "OtherFindings",
    "Packing",
    "Quality",
    "ScanType",
    "Signal",
    "SizeCounts",
    "Value",
    "Verdict",
    "Volumes",
    "hash_voxels",
    "report_id_of",
    "utc_now",
]
