"""From stored values to intensities: which of a header's scalings is applied.

- RescaleSlope and RescaleIntercept (PS3.3 C.11.1), the first choice.
- Philips' scale slope (2005,xx0E) beside them: the rescaled values are for display and differ from
  image to image; divided by both slopes they are those that the scanner measured, comparable within
  and between series (Chenevert et al., Translational Oncology 7:65, 2014, PMC3998685). dcm2niix
  does so, too, unless it is told otherwise.
- A real-world value map (PS3.3 C.7.6.16.2.11), if there is no rescaling. Where there is one, and
  the map leads to measurements of another scale, that is a problem of the image.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.formats.dicom.header_tags import HEADER_TAGS
from common.formats.dicom.values import number, values_of
from common.formats.not_a_scan import UnreadKind

_UNITLESS = frozenset({"", "1", "[arb'U]", "no units"})
"""UCUM codes of what is no measurement."""


@dataclass(frozen=True, slots=True)
class Rescaling:
    """What stored values are multiplied by, and what is then added."""

    slope: float
    intercept: float
    problems: tuple[str, ...] = ()
    """Codes of ``common.domain.input_problems``."""


@dataclass(frozen=True, slots=True)
class _Map:
    """One real-world value map; without slope and intercept if it is a table."""

    slope: float | None
    intercept: float
    measured: bool
    """Whether it has a unit."""


def rescaling_of(values: Mapping[str, Any]) -> Rescaling:
    """The rescaling of an image or frame.

    Args:
        values: the header's values by keyword, those of the frame before those of the file.

    Raises:
        UnreadKind: a slope or intercept is not a number, and without it no value is known.
    """
    maps = _maps(values) if "RealWorldValueMappingSequence" in values else []
    if values.get("ModalityLUTSequence"):  # its table is applied as the pixels are decoded
        return Rescaling(1.0, 0.0, _told(maps, None))
    slope, intercept = (_known(values, name) for name in ("RescaleSlope", "RescaleIntercept"))
    problems: tuple[str, ...] = ()
    if slope is None and intercept is None:
        if len(maps) == 1 and maps[0].slope:
            return Rescaling(maps[0].slope, maps[0].intercept)
        problems = _told(maps, None)
    applied = Rescaling(1.0 if slope is None else slope, intercept or 0.0)
    if maps and not problems:
        problems = _told(maps, applied)
    if slope == 0:
        return Rescaling(1.0, applied.intercept, (*problems, "slope_zero"))
    scale = number(values, "PhilipsScaleSlope")
    if scale:
        measured = 1 / scale, applied.intercept / (applied.slope * scale)
        if all(map(math.isfinite, measured)):
            return Rescaling(*measured, problems)
    return Rescaling(applied.slope, applied.intercept, problems)


def _known(values: Mapping[str, Any], keyword: str) -> float | None:
    found = number(values, keyword)
    if found is None and values.get(keyword) not in (None, "", [], ()):
        raise UnreadKind(f"{keyword} is not a number: export the image again")
    return found


def _maps(values: Mapping[str, Any]) -> list[_Map]:
    maps = []
    for item in values.get("RealWorldValueMappingSequence") or ():
        found = values_of(item, HEADER_TAGS)
        slope = number(found, "RealWorldValueSlope")
        units = found.get("MeasurementUnitsCodeSequence") or ()
        code = str(values_of(units[0], HEADER_TAGS).get("CodeValue") or "") if units else ""
        measured = code not in _UNITLESS and not code.startswith("{")
        maps.append(_Map(slope, number(found, "RealWorldValueIntercept") or 0.0, measured))
    return maps


def _told(maps: list[_Map], applied: Rescaling | None) -> tuple[str, ...]:
    """A problem if a map leads to measurements, and not as the scaling that is applied does."""
    for one in maps:
        same = (
            applied is not None
            and one.slope is not None
            and math.isclose(one.slope, applied.slope, rel_tol=1e-5)
            and math.isclose(one.intercept, applied.intercept, rel_tol=1e-5, abs_tol=1e-9)
        )
        if one.measured and not same:
            return ("real_world_values",)
    return ()
