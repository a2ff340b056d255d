"""Pixels that a file cannot have, as its header and its length show without decoding them."""

import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from common.formats.dicom.header_walk import Pixels
from common.formats.dicom.transfer_syntaxes import is_encapsulated
from common.formats.dicom.values import number
from common.formats.not_a_scan import UnreadKind

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_ABSENT = "truncated before its pixel data, or has none; export it again"


def damage_of(
    stream: BinaryIO, pixels: Pixels | None, syntax: str | None, values: Mapping[str, Any]
) -> str:
    """Why the pixels cannot be read, to follow ``it is``; empty if they are whole.

    Args:
        stream: the file, or what it inflates to.
        pixels: where its pixel data are.
        syntax: its transfer syntax; None or empty if it does not name one.
        values: the header's values by keyword.

    Raises:
        UnreadKind: the transfer syntax, or the declared size, is not that of the pixels.
    """
    if pixels is None:
        return _ABSENT
    declared = _declared_bytes(values)
    stream.seek(pixels.offset)
    items = stream.read(4) == _ITEM
    if is_encapsulated(syntax or ""):
        if items:
            return _fragments(stream, pixels)
        if pixels.length >= declared:
            raise UnreadKind(
                "its transfer syntax says that its pixels are compressed, but they are not: "
                "export it again"
            )
        return f"truncated: {pixels.length} bytes of compressed pixels; copy it again"
    if items and pixels.length != declared:
        raise UnreadKind(
            "its transfer syntax says that its pixels are not compressed, but they are: "
            "export it again"
        )
    if pixels.length < declared:
        return f"truncated: {pixels.length} of {declared} bytes of pixels; copy it again"
    if pixels.length >= 2 * declared and pixels.length % declared == 0:
        raise UnreadKind(
            f"it has {pixels.length // declared} times as many bytes of pixels as its header "
            "declares: export it again"
        )
    frames = number(values, "NumberOfFrames") or 1
    if frames > 1 and (pixels.length - declared) * frames >= declared:
        raise UnreadKind("it has pixels of more frames than its header declares: export it again")
    return ""


def _declared_bytes(values: Mapping[str, Any]) -> int:
    frames, samples, bits = (
        number(values, name) or default
        for name, default in (("NumberOfFrames", 1), ("SamplesPerPixel", 1), ("BitsAllocated", 16))
    )
    rows, columns = number(values, "Rows") or 0, number(values, "Columns") or 0
    return max(1, math.ceil(frames * rows * columns * samples * bits / 8))


def _fragments(stream: BinaryIO, pixels: Pixels) -> str:
    """Walk over the fragments (PS3.5 A.4), whose lengths show whether one is cut."""
    place, end = pixels.offset, pixels.offset + pixels.length
    while place + 8 <= end:
        stream.seek(place)
        head = stream.read(8)
        if head[:4] == _DELIMITER:
            return ""
        if head[:4] != _ITEM:
            return ""  # its decoder finds out
        place += 8 + int.from_bytes(head[4:], "little")
    # Some devices leave out the delimiter.
    return "" if place <= end else "truncated within its compressed pixels; copy it again"
