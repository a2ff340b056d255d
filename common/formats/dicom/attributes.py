"""What a DICOM file says about its image besides voxels and geometry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.formats.dicom.date_time import is_zone_known

MODALITIES = frozenset(
    {"MR", "CT", "PT", "NM", "US", "XA", "RF", "CR", "DX", "MG", "OT", "SC", "IVUS", "OCT", "OPT"}
)
"""Of images: terms of Modality (PS3.3 C.7.3.1.1.1)."""

BODY_PARTS = frozenset(
    {"HEAD", "BRAIN", "SKULL", "NECK", "HEADNECK", "FACE", "ORBIT", "EYE", "EAR", "IAC", "SELLA"}
    | {"NECKCHEST", "CSPINE", "TSPINE", "LSPINE", "SPINE", "CTSPINE", "WHOLEBODY"}
    | {"CHEST", "ABDOMEN", "PELVIS", "HEART", "BREAST", "LIVER", "KIDNEY", "PROSTATE"}
    | {"SHOULDER", "ELBOW", "WRIST", "HAND", "HIP", "KNEE", "ANKLE", "FOOT", "EXTREMITY"}
)
"""Some terms of BodyPartExamined (PS3.16 annex L). Any other text could be somebody's name."""

CONTRASTS: Mapping[str, str] = {
    "T1": "t1",
    "T2": "t2",
    "T2_STAR": "t2star",
    "PROTON_DENSITY": "pd",
    "FLUID_ATTENUATED": "flair",
    "STIR": "stir",
    "TOF": "tof",
    "DIFFUSION": "diffusion",
    "PERFUSION": "perfusion",
}
"""Terms of AcquisitionContrast (PS3.3 C.8.13.3.1.1), which enhanced MR images have, and ours."""

TAGS = ("StudyInstanceUID", "AcquisitionContrast", "BodyPartExamined")
"""Keywords that are read for this."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Of a file."""

    study: str | None = None
    """StudyInstanceUID."""
    modality: str | None = None
    contrast: str | None = None
    body_part: str | None = None
    is_zone_known: bool = False
    """Whether the offset of the time of acquisition from UTC is known."""


NOTHING_SAID = Attributes()
"""Of a file that says nothing."""


def attributes_of(values: Mapping[str, Any]) -> Attributes:
    """The attributes of an image.

    Args:
        values: the header's values by keyword, with those of the first frame.
    """
    return Attributes(
        study=str(values.get("StudyInstanceUID") or "") or None,
        modality=_term(values, "Modality", MODALITIES),
        contrast=CONTRASTS.get(str(values.get("AcquisitionContrast"))),
        body_part=_term(values, "BodyPartExamined", BODY_PARTS),
        is_zone_known=is_zone_known(values),
    )


def _term(values: Mapping[str, Any], keyword: str, terms: frozenset[str]) -> str | None:
    value = str(values.get(keyword) or "").strip().upper()
    return value if value in terms else None
