"""The header of a DICOM file as bytes, measured before pydicom sees it.

pydicom takes about 50 µs and 900 bytes for each item of a sequence, even for one of eight bytes,
and it descends as deep as a file says. So elements and items are counted first, at 1 µs each, and
a file that has far more of them than its pixels explain is refused (``header_walk``).

Encodings: DICOM PS3.5 section 7 and annex A; the file format: PS3.10 section 7.
"""

import mmap
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from common.errors import SourceError
from common.formats.dicom.header_walk import EXPLICIT, VRS, Element, Pixels, Walk, marked_implicit
from common.formats.dicom.transfer_syntaxes import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)

_INFLATED_MAX = 64 << 20
"""Bytes that a deflated file may inflate to: many times a slice; all of it is in memory."""
_HEADER_MAX = 128 << 20
"""Bytes before the pixel data: an enhanced file of 30,000 frames has about as many."""
_BLOCK = 1 << 16
_PREAMBLE_BYTES = 128


@dataclass(frozen=True, slots=True)
class ScannedHeader:
    """What comes before the pixel data, and where they are."""

    data: bytes
    """Preamble, meta information and elements up to the pixel data; up to the end of the file if
    it was inflated."""
    inflated: bool
    pixels: Pixels | None
    frames: int
    """NumberOfFrames, as far as the file has bytes for them; else 1."""
    meta: list[Element]
    """The meta information."""
    elements: list[Element] | None
    """Of the data set itself, in their order, if the file has all that PS3.10 asks for, is
    little-endian, and its elements lead to the pixel data without doubt."""
    syntax: str | None
    """The transfer syntax, if the file names it."""
    implicit: bool
    """Whether elements have no value representations."""


def scan_header(file: BinaryIO, packed_size: int | None = None) -> ScannedHeader:
    """Measure the header of an open file.

    Args:
        file: not compressed, unless the transfer syntax is deflated.
        packed_size: bytes of the file on disk, which may be compressed; None: those of ``file``.

    Raises:
        SourceError: it has too many elements or items, or too deep ones; it inflates to more than
            64 MiB, or is damaged.
        OSError: it cannot be read.
    """
    size = file.seek(0, 2)
    if not size:
        raise SourceError("the file is empty: copy it again")
    with mmap.mmap(file.fileno(), min(size, _HEADER_MAX), access=mmap.ACCESS_READ) as data:
        return _scan(data, size, size if packed_size is None else packed_size)


def _scan(data: mmap.mmap, size: int, packed: int) -> ScannedHeader:
    start = _PREAMBLE_BYTES + 4 if data[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM" else 0
    meta = Walk(data, size, packed, implicit=_looks_implicit(data, start), group=2)
    begin = meta.run(start)
    command = Walk(data, size, packed, implicit=True, group=0)
    begin = command.run(begin)
    syntax = meta.syntax
    if syntax == DEFLATED:
        return _inflated(data, begin, packed)
    implicit, little = _encoding(syntax, data[begin : begin + 6])
    if begin + 6 <= len(data):  # as pydicom does: what the data show outdoes the syntax
        implicit = marked_implicit(data, begin)
    walk = Walk(data, size, packed, implicit=implicit, little=little)
    end = walk.run(begin)
    plain = start > 0 and syntax is not None and little and meta.is_plain and not command.elements
    if end >= len(data) < size:
        raise SourceError(
            f"over {_HEADER_MAX >> 20} MiB before the pixel data: export the image without "
            "private data"
        )
    elements = walk.elements if plain and walk.pixels and walk.is_plain else None
    head = bytes(data[:end])
    return ScannedHeader(
        head, False, walk.pixels, walk.frames, meta.elements, elements, syntax, implicit
    )


def _looks_implicit(data: mmap.mmap, start: int) -> bool:
    return data[start : start + 2] == b"\2\0" and marked_implicit(data, start)


def _encoding(syntax: str | None, first: bytes) -> tuple[bool, bool]:
    """Implicit VR and little-endian, as pydicom takes them: guessed if no syntax is named."""
    if syntax is None:
        implicit = first[4:6] not in VRS
        return implicit, implicit or int.from_bytes(first[:2], "little") < 1024
    if syntax == IMPLICIT_LITTLE:
        return True, True
    return False, syntax != EXPLICIT_BIG


def _inflated(data: mmap.mmap, begin: int, packed: int) -> ScannedHeader:
    """A deflated file as one that is not (PS3.5 A.5)."""
    syntax = EXPLICIT_LITTLE
    named = syntax.encode() + b"\0"
    meta = EXPLICIT[True].pack(2, 0x10, b"UI", len(named)) + named
    out = bytearray(_PREAMBLE_BYTES) + b"DICM" + meta
    first = len(out)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for place in range(begin, len(data), _BLOCK):
            out += inflater.decompress(
                data[place : place + _BLOCK], _INFLATED_MAX + first + 1 - len(out)
            )
            if len(out) - first > _INFLATED_MAX:
                raise SourceError(
                    f"a deflated file that inflates to over {_INFLATED_MAX >> 20} MiB: "
                    "convert it to an uncompressed transfer syntax"
                )
            if inflater.eof:
                break
        else:
            raise SourceError("the deflated data is truncated: copy the file again")
    except zlib.error as error:
        raise SourceError("the deflated data is damaged: copy the file again") from error
    plain = bytes(out)
    del out
    walk = Walk(plain, len(plain), packed, implicit=marked_implicit(plain, first))
    walk.run(first)
    return ScannedHeader(plain, True, walk.pixels, walk.frames, [], None, syntax, implicit=False)
