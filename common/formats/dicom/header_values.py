"""The wanted values of a header that was measured.

pydicom takes a millisecond to parse the header of one slice, and series have hundreds of them. So
plain values are taken from where the walk (``header_walk``) found their elements; only sequences,
and whatever else is not plain, go through pydicom. If anything about a file is in doubt, pydicom
parses all of it.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from common.formats.dicom.header_scan import ScannedHeader
from common.formats.dicom.header_walk import UNDEFINED, Element
from common.formats.dicom.values import (
    ALIASES,
    DECODED,
    PRIVATE,
    PRIVATE_TAGS,
    creator_of,
    is_plain,
    plain_value,
    values_of,
)

_MEDIA_CLASS, _SYNTAX, _CHARACTER_SET = 0x00020002, 0x00020010, 0x00080005
_CREATORS = {creator_of(tag) for tag in PRIVATE}
_ANY_CHARACTER_SET = re.compile(rb"[A-Za-z0-9 ._^+:/#(),'-]*\0?")
"""Text that is the same in each character set of DICOM (PS3.3 C.12.1.1.2)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is wanted of a header."""

    values: dict[str, Any]
    """By keyword, as ``values_of`` has them."""
    media_class: str
    """MediaStorageSOPClassUID; empty if there is none."""
    syntax: str
    """The transfer syntax; empty if the file does not name it."""
    little: bool
    """Whether its numbers are little-endian."""


def header_of(scanned: ScannedHeader, keywords: Mapping[int, str], *, force: bool) -> Header:
    """The values of these elements, and of the private elements that Fr knows.

    Args:
        scanned: the header.
        keywords: by tag.
        force: read the file as DICOM even if it lacks the preamble.

    Raises:
        NotDicom: it was read by ``force`` and is not DICOM.
        Exception: whatever pydicom raises for a damaged header.
    """
    values = plain_header(scanned, keywords)
    if values is not None:
        meta = {element[0]: _word(scanned.data, element) for element in scanned.meta}
        return Header(values, meta.get(_MEDIA_CLASS, ""), meta.get(_SYNTAX, ""), little=True)
    from common.formats.dicom.parsing import parse_header

    data = parse_header(scanned, [*keywords, *PRIVATE_TAGS], force=force)
    return Header(
        values_of(data, keywords),
        str(data.file_meta.get("MediaStorageSOPClassUID") or ""),
        str(data.file_meta.get("TransferSyntaxUID") or ""),
        little=bool(data.original_encoding[1]),
    )


def plain_header(scanned: ScannedHeader, keywords: Mapping[int, str]) -> dict[str, Any] | None:
    """The values of these elements, and of the private ones that Fr knows; None if only pydicom
    can tell where they are."""
    elements = scanned.elements
    if elements is None:
        return None
    values: dict[str, Any] = {}
    creators: dict[int, str] = {}
    private: list[int] = []
    others: list[int] = []  # for pydicom
    for n, element in enumerate(elements):
        tag = element[0]
        if (name := keywords.get(tag)) is not None:
            if not _take(values, scanned.data, element, name):
                others.append(n)
        elif tag in PRIVATE:
            private.append(n)
        elif tag in _CREATORS:
            creators[tag] = _word(scanned.data, element)
    for n in private:
        tag = elements[n][0]
        named = PRIVATE[tag].get(creators.get(creator_of(tag), ""))
        if named is not None and not _take(values, scanned.data, elements[n], *named):
            others.append(n)
    if others:
        values |= _others(scanned, elements, others, keywords)
    return values


def _take(
    values: dict[str, Any], data: bytes, element: Element, name: str, known_vr: str | None = None
) -> bool:
    """Note the value of an element if it is plain; whether it is."""
    tag, vr_read, _, start, length = element
    vr = (vr_read or b"UN").decode()
    if vr == "UN":
        vr = known_vr or _vr_of(tag)
    if length == UNDEFINED:
        return False
    raw = data[start : start + length]
    if vr == "OB":
        values[ALIASES.get(name, name)] = raw
        return True
    if not is_plain(vr):
        return False
    if name in DECODED:
        if vr_read not in (None, DECODED[name]) or not _ANY_CHARACTER_SET.fullmatch(raw):
            return False
        values[name] = raw.decode("ascii").rstrip("\0 ")
        return True
    try:
        values[ALIASES.get(name, name)] = plain_value(vr, raw)
    except struct.error:  # as good as absent
        values.pop(ALIASES.get(name, name), None)
    return True


def _others(
    scanned: ScannedHeader, elements: list[Element], chosen: list[int], keywords: Mapping[int, str]
) -> dict[str, Any]:
    """The values of elements that are not plain."""
    from common.formats.dicom.parsing import parse_elements

    needed = {creator_of(elements[n][0]) for n in chosen} & _CREATORS | {_CHARACTER_SET}
    also = [n for n, element in enumerate(elements) if element[0] in needed]
    return values_of(parse_elements(scanned, {*chosen, *also}), keywords)


def _word(data: bytes, element: Element) -> str:
    _, _, _, start, length = element
    return data[start : start + length].decode("latin-1").strip(" \0")


@lru_cache(None)
def _vr_of(tag: int) -> str:
    from pydicom.datadict import dictionary_VR

    return dictionary_VR(tag)
