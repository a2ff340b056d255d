"""What an image is for, as its own header says: an anatomical image, diffusion, a localizer …

Sources: Image Type (PS3.3 C.7.6.1.1.2, C.8.3.1.1.1, C.8.13.3.1) with the terms that GE, Philips,
Siemens, Canon and United Imaging add, and words in the descriptions that technologists use.
"""

import re
from collections.abc import Mapping
from typing import Any

from common.formats.dicom.diffusion import b_value, direction

ANATOMICAL, UNCLASSIFIED, LOCALIZER = "anatomical", "unclassified", "localizer"
DIFFUSION, PERFUSION, FUNCTIONAL = "diffusion", "perfusion", "functional"
PHASE, COMPLEX, FIELDMAP, DERIVED = "phase", "complex", "fieldmap", "derived"
DYNAMIC = "dynamic"

_LOCALIZER = {"LOCALIZER", "SCOUT", "SURVEY", "TOPOGRAM"}
_DIFFUSION = {
    **dict.fromkeys(("ADC", "EADC", "AVDC"), "adc"),
    **dict.fromkeys(("FA", "COLFA", "RA", "VR"), "fa"),
    **dict.fromkeys(("TRACEW", "TRACE", "ISOTROPIC", "CMB"), "trace"),
    **dict.fromkeys(("TENSOR", "TENSOR_B0", "DIFFUSION_ANISO"), "tensor"),
    "DIFFUSION": "",
}
_PERFUSION = {
    *("PERFUSION", "ASL", "CBF", "CBV", "MTT", "TTP", "TMAX", "RCBF", "RCBV", "RMTT", "RTTP"),
    *("RELCBF", "RELCBV", "RELMTT", "RELTTP", "PBP", "GBP", "PERFUSION_ASL", "K2", "KTRANS"),
}
_FUNCTIONAL = {"FMRI", "BOLD", "T-MAP", "TMAP", "T_MAP"}
_FIELDMAP = {"B0", "B0 MAP", "FIELD_MAP", "FIELDMAP", "B1", "B1 MAP"}
_DERIVED = {
    *("MIP", "MNIP", "MINIP", "MAXIP", "PROJECTION IMAGE", "SUBTRACTION", "SUBTRACTED", "SUB"),
    *("T1 MAP", "T2 MAP", "T1_MAP", "T2_MAP", "T2_STAR MAP", "R2 MAP", "R2_STAR MAP", "PD MAP"),
    *("STDDEV", "FAT_FRACTION", "FAT_FRACT", "QUANTITY", "SCREEN SAVE", "UNI_DEN_MASK"),
}
_PHASE = {"P", "PHASE", "PHASE MAP", "PHASE_MAP", "VELOCITY"}
_COMPLEX = {"R": "real", "REAL": "real", "I": "imaginary", "IMAGINARY": "imaginary"}
_DIXON = {
    **dict.fromkeys(("W", "WATER"), "water"),
    **dict.fromkeys(("F", "FAT"), "fat"),
    **dict.fromkeys(("IP", "IN_PHASE", "IN PHASE"), "in phase"),
    **dict.fromkeys(("OP", "OPP_PHASE", "OUT_PHASE", "OPPOSED PHASE"), "opposed phase"),
}
_PHILIPS_SUFFIX = re.compile(r"^(M|P|R|I)_(FFE|SE|IR|EPI|TSE|B0|B1|PCA|TFE)$")

_WORDS = (
    (LOCALIZER, re.compile(r"\b(locali[sz]er|scout|survey|topogram|3.?pl(ane)?.?loc\w*|loc)\b")),
    (DIFFUSION, re.compile(r"\b(dwi|dti|hardi|dki|noddi|ep2d.?diff?|diffusion)\b")),
    (PERFUSION, re.compile(r"\b([pc]?asl|pcasl|pasl|dsc|perfusion|perf)\b")),
    (FUNCTIONAL, re.compile(r"\b(bold|fmri|rsfmri|resting.?state)\b")),
    (FIELDMAP, re.compile(r"\b(field.?map(ping)?|gre.?field|fmap|b0.?map)\b")),
)
_GE_COMPONENTS = {1: "P", 2: "R", 3: "I"}


def image_type(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of ImageType, in capitals, and the component of a complex image if another element
    says it."""
    said = values.get("ImageType") or ()
    words = [said] if isinstance(said, str) else list(said)
    component = values.get("ComplexImageComponent") or values.get("PhilipsComponent")
    ge = values.get("GeComponent")
    if isinstance(ge, int):
        component = component or _GE_COMPONENTS.get(ge)
    if isinstance(component, str) and component not in ("M", "MAGNITUDE", "MIXED"):
        words.append(component)
    return tuple(dict.fromkeys(str(word).strip().upper() for word in words))


def role_of(values: Mapping[str, Any]) -> str:
    """The role of an image, such as ``'anatomical'``, and after a comma what tells it apart from
    others of the same role, such as ``'diffusion, adc'``.

    Args:
        values: the header's values by keyword.
    """
    words = image_type(values)
    terms = {component for word in words[2:] for component in _terms(word)}
    text = " ".join(str(values.get(name) or "") for name in ("SeriesDescription", "ProtocolName"))
    text = re.sub(r"[^a-z0-9]+", " ", text.lower())
    meant = next((role for role, pattern in _WORDS if pattern.search(text)), None)
    if terms & _LOCALIZER or meant == LOCALIZER:
        return LOCALIZER
    weighted = _diffusion(values, terms, meant)
    if weighted is not None:
        return weighted
    if terms & _PERFUSION or values.get("ASLContext") or meant == PERFUSION:
        return PERFUSION
    if terms & _FUNCTIONAL or meant == FUNCTIONAL:
        return FUNCTIONAL
    if terms & _FIELDMAP or meant == FIELDMAP:
        return FIELDMAP
    if terms & _PHASE:
        return PHASE
    for term, part in _COMPLEX.items():
        if term in terms:
            return f"{COMPLEX}, {part}"
    if terms & _DERIVED:
        return DERIVED
    if words[:2] != ("ORIGINAL", "PRIMARY"):
        return UNCLASSIFIED
    part = next((_DIXON[term] for term in _DIXON if term in terms), "")
    return f"{ANATOMICAL}, {part}" if part else ANATOMICAL


def _terms(word: str) -> tuple[str, ...]:
    found = _PHILIPS_SUFFIX.match(word)
    return (word, found[1], found[2]) if found else (word,)


def _diffusion(values: Mapping[str, Any], terms: set[str], meant: str | None) -> str | None:
    map_kind = next((_DIFFUSION[term] for term in _DIFFUSION if term in terms), None)
    if map_kind in ("adc", "fa", "tensor"):
        return f"{DIFFUSION}, {map_kind}"
    b = b_value(values)
    # Philips and GE write a b-value of 0 in images of every kind.
    if not (map_kind is not None or meant == DIFFUSION or (b or 0) > 0 or direction(values)):
        return None
    if map_kind == "trace" and b != 0:
        return f"{DIFFUSION}, trace"
    return DIFFUSION if b is None else f"{DIFFUSION}, b{b:.0f}"
