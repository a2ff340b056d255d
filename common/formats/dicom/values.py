"""Values of header elements by keyword, as numbers and words.

pydicom takes most of the time of reading a header to convert values, and drops a number with a
decimal comma. The plain value representations are converted here instead.
"""

import math
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pydicom

Vector = tuple[float, ...]

ALIASES = {
    "EffectiveEchoTime": "EchoTime",
    "InversionTimes": "InversionTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "FrameType": "ImageType",
    "ReferencedSegmentNumber": "SegmentNumber",
}
"""Keywords of functional groups whose classic counterparts are at the top of the data set."""


def creator_of(tag: int) -> int:
    """The tag of the element that names the creator of a private element (PS3.5 7.8.1)."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


_BLOCKS: dict[tuple[int, str], dict[int, tuple[str, str]]] = {
    (0x0019, "SIEMENS MR HEADER"): {
        0x0A: ("SiemensMosaicImages", "US"),
        0x0C: ("SiemensBValue", "IS"),
        0x0E: ("SiemensDirection", "FD"),
    },
    (0x0019, "GEMS_ACQU_01"): {
        0xBB: ("GeDirectionX", "DS"),
        0xBC: ("GeDirectionY", "DS"),
        0xBD: ("GeDirectionZ", "DS"),
    },
    (0x0021, "GEMS_RELA_01"): {0x4F: ("GeLocations", "SS")},
    (0x0029, "SIEMENS CSA HEADER"): {0x10: ("SiemensCsa", "OB")},
    (0x0043, "GEMS_PARM_01"): {0x2F: ("GeComponent", "SS"), 0x39: ("GeBValue", "IS")},
    (0x0065, "Image Private Header"): {
        0x09: ("UihBValue", "FD"),
        0x37: ("UihDirection", "FD"),
        0x50: ("UihGridImages", "DS"),
    },
    (0x2001, "Philips Imaging DD 001"): {
        0x03: ("PhilipsBValue", "FL"),
        0x18: ("PhilipsSlices", "SL"),
    },
    (0x2005, "Philips MR Imaging DD 005"): {0x0F: ("PhilipsFrameSequence", "SQ")},
    (0x2005, "Philips MR Imaging DD 001"): {
        0x0E: ("PhilipsScaleSlope", "FL"),
        0x11: ("PhilipsComponent", "CS"),
        0xB0: ("PhilipsDirectionX", "FL"),
        0xB1: ("PhilipsDirectionY", "FL"),
        0xB2: ("PhilipsDirectionZ", "FL"),
    },
}
"""Private elements by group and creator: of the last byte of their tag, our keyword and VR. They
come from the conformance statements of the vendors and from dcm2niix (``nii_dicom.cpp``)."""

_PLACES = {
    "SIEMENS CSA HEADER": range(0x10, 0x14),
    "Philips MR Imaging DD 005": range(0x10, 0x20),
    "Philips MR Imaging DD 001": range(0x10, 0x20),
}
"""Blocks of the creators that do not always take the first one, as the others do. Only those who
edit files move blocks, but in some groups scanners write several creators in any order."""
PRIVATE: dict[int, dict[str, tuple[str, str]]] = {}
"""Keyword and VR by creator, of each tag."""
for (_group, _creator), _elements in _BLOCKS.items():
    for _block in _PLACES.get(_creator, range(0x10, 0x11)):
        for _last, _named in _elements.items():
            _tag = _group << 16 | _block << 8 | _last
            PRIVATE.setdefault(_tag, {})[_creator] = _named
PRIVATE_TAGS = sorted({*PRIVATE, *map(creator_of, PRIVATE)})
"""What must be read of a header for the private values, and the elements that name creators."""

_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_WORDS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
_TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST"})
"""Only compared, never shown, so that their character set hardly matters."""
DECODED = {"PatientID": b"LO", "PatientName": b"PN"}
"""Texts that are read by their character set, and their VR: archives convert those of some slices
of a series, and the patient is still the same."""


def values_of(data: "pydicom.Dataset", keywords: Mapping[int, str]) -> dict[str, Any]:
    """Attributes by keyword, without those that cannot be parsed.

    Args:
        data: a data set, or an item of a sequence.
        keywords: of the tags that are wanted most.

    Returns:
        Words (``str``), numbers (``int``, ``float``), or lists of them; None for an empty value.
        Numbers that DICOM writes as text (DS, IS) are words: see ``numbers``.
    """
    from pydicom.datadict import keyword_for_tag

    values: dict[str, Any] = {}
    for tag, element in data.items():
        name = keywords.get(tag) or keyword_for_tag(tag)
        vr = None
        if not name:
            if tag not in PRIVATE:
                continue
            creator = _text(data, creator_of(tag))
            if creator not in PRIVATE[tag]:
                continue
            name, vr = PRIVATE[tag][creator]
        with suppress(Exception):
            values[ALIASES.get(name, name)] = _value(data, tag, element, name, vr)
    return values


def _value(data: "pydicom.Dataset", tag: int, element: Any, name: str, known_vr: str | None) -> Any:
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import RawDataElement

    if not isinstance(element, RawDataElement) or name in DECODED:
        return data[tag].value
    vr: str | None = element.VR
    if vr is None or vr == "UN":
        vr = known_vr or dictionary_VR(tag)
    if is_plain(vr) and (element.value is not None or vr not in _NUMBERS):
        return plain_value(vr, element.value or b"", little=element.is_little_endian)
    return data[tag].value


def is_plain(vr: str) -> bool:
    """Whether values of this representation are words or numbers."""
    return vr in _WORDS or vr in _TEXTS or vr in _NUMBERS


def plain_value(vr: str, raw: bytes, *, little: bool = True) -> Any:
    """A value as ``values_of`` has it.

    Args:
        vr: its representation, a plain one.
        raw: its bytes.
        little: whether numbers are little-endian.

    Raises:
        struct.error: the bytes are no numbers of this size.
    """
    if (code := _NUMBERS.get(vr)) is None:
        return _plain([word.strip(" \0") for word in raw.decode("latin-1").split("\\")])
    count = len(raw) // struct.calcsize(code)
    return _plain(list(struct.unpack(f"{'<' if little else '>'}{count}{code}", raw)))


def _plain(found: list[Any]) -> Any:
    if len(found) > 1:
        return found
    return None if not found or found[0] == "" else found[0]


def _text(data: "pydicom.Dataset", tag: int) -> str | None:
    value = data[tag].value if tag in data else None
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return str(value).strip(" \0") if value is not None else None


def number(values: Mapping[str, Any], keyword: str) -> float | None:
    """A number; None if it is absent or none. Of several, the first."""
    value = values.get(keyword)
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    found = _numbers([value], 1)
    return found[0] if found else None


def numbers(values: Mapping[str, Any], keyword: str, count: int) -> Vector | None:
    """So many finite numbers; None if there are others."""
    value = values.get(keyword)
    if value is None:
        return None
    return _numbers([value] if count == 1 else value, count)


def _numbers(value: Any, count: int) -> Vector | None:
    try:
        found = tuple(map(_float, value or ()))
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def _float(value: Any) -> float:
    # Some devices write a decimal comma, which the standard does not allow.
    return float(value.replace(",", ".") if isinstance(value, str) else value)
