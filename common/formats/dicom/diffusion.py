"""The b-value and direction of a diffusion-weighted slice, wherever its vendor writes them.

Standard: PS3.3 C.8.13.5.9. Private elements: the conformance statements of GE, Siemens, Philips and
United Imaging, and dcm2niix (``nii_dicom.cpp``). Canon (formerly Toshiba) writes comments.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from common.formats.dicom.values import Vector, number, numbers

_GE_OFFSET = 100_000
"""GE adds multiples of this (1e9 among them) to b-values for purposes of its own."""
_SEQUENCE_NAME = re.compile(r"\*?ep_?b(\d{1,5})(?:[#tx_]|$)", re.IGNORECASE)
"""Siemens' name of a diffusion sequence, such as ``*ep_b1000#3`` or ``ep_b0``."""

_CANON = ("CANON", "TOSHIBA")
_NUMBER = r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*"
_CANON_COMMENT = re.compile(rf"\s*b={_NUMBER}(?:\({_NUMBER},{_NUMBER},{_NUMBER}\))?", re.IGNORECASE)
"""ImageComments of Canon, such as ``b=1500(0.445,0.000,0.895)`` or ``b=0``."""


def b_value(values: Mapping[str, Any]) -> float | None:
    """The b-value, s/mm²; None if the header has none."""
    for keyword in ("DiffusionBValue", "SiemensBValue", "UihBValue", "PhilipsBValue"):
        found = number(values, keyword)
        if found is not None and found >= 0:
            return found
    ge = number(values, "GeBValue")
    if ge is not None and ge >= 0:
        return ge % _GE_OFFSET
    if (canon := _of_canon(values)) is not None:
        return canon[0]
    named = _SEQUENCE_NAME.match(str(values.get("SequenceName") or ""))
    return float(named[1]) if named else None


def direction(values: Mapping[str, Any]) -> Vector | None:
    """The direction of the gradient, a unit vector; None without one (b0, a trace)."""
    found = _standard(values)
    for keyword in ("SiemensDirection", "UihDirection"):
        found = found or numbers(values, keyword, 3)
    for maker in ("PhilipsDirection", "GeDirection"):
        if found is None and f"{maker}X" in values:
            parts = [number(values, f"{maker}{axis}") for axis in "XYZ"]
            found = tuple(part for part in parts if part is not None)
            found = found if len(found) == 3 else None
    if found is None and (canon := _of_canon(values)) is not None:
        found = canon[1:]
    return found if found and math.hypot(*found) > 1e-3 else None


def _of_canon(values: Mapping[str, Any]) -> Vector | None:
    """The b-value, and the three parts of the direction if there are any."""
    if not str(values.get("Manufacturer") or "").strip().upper().startswith(_CANON):
        return None
    comment = values.get("ImageComments")
    said = _CANON_COMMENT.match(comment) if isinstance(comment, str) else None
    parts = [number({"part": part}, "part") for part in said.groups() if part] if said else []
    known = tuple(part for part in parts if part is not None)
    return known if known and len(known) == len(parts) else None


def _standard(values: Mapping[str, Any]) -> Vector | None:
    found = numbers(values, "DiffusionGradientOrientation", 3)
    nested = values.get("DiffusionGradientDirectionSequence")
    if found is None and nested:
        items = [item.get("DiffusionGradientOrientation") for item in nested]
        found = numbers({"Orientation": items[0]}, "Orientation", 3)
    return found
