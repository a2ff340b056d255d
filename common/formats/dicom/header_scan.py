"""The header of a DICOM file as bytes, measured before pydicom sees it.

pydicom takes about 50 µs and 900 bytes for each item of a sequence, even for one of eight bytes,
and it descends as deep as a file says. So elements and items are counted first, at 1 µs each, and
a file that has far more of them than its pixels explain is refused. The walk makes the same
choices as pydicom (value representations, implicit items in explicit files), else a file could
show one structure here and another one there.

Encodings: DICOM PS3.5 section 7 and annex A; the file format: PS3.10 section 7.
"""

import mmap
import zlib
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from common.errors import SourceError

_INFLATED_MAX = 64 << 20
"""Bytes that a deflated file may inflate to: many times a slice; all of it is in memory."""
_HEADER_MAX = 128 << 20
"""Bytes before the pixel data: an enhanced file of 30,000 frames has about as many."""
_BLOCK = 1 << 16

_NODES_MAX = 20_000
"""Elements and items of a file. Classic images have some hundreds; pydicom takes 1 s for these."""
_BYTES_A_NODE = 24
"""A file may have one more for each of these bytes of pixels: 170 for a frame of 64 x 64 bytes.
Enhanced files describe each frame in 50 to 150 elements and items."""
_NODES_A_PACKED_BYTE = 4
"""And at most so many more for each byte on disk: a compressed file may be tiny."""
_DEPTH_MAX = 32
_FRAMES_MAX = 65_535
_FRAME_BYTES_MIN = 256

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
_NUMBER_OF_FRAMES = 0x00280008
_TRANSFER_SYNTAX = 0x00020010
_PREAMBLE_BYTES = 128

_VRS = {vr.encode() for vr in VR}
_LONG_VRS = {vr.encode() for vr in EXPLICIT_VR_LENGTH_32}
_EXPLICIT = {True: Struct("<HH2sH"), False: Struct(">HH2sH")}
_IMPLICIT = {True: Struct("<HHL"), False: Struct(">HHL")}
_LENGTH = {True: Struct("<L"), False: Struct(">L")}


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixel data element of a file."""

    keyword: str
    vr: str | None
    """None in implicit VR."""
    offset: int
    """Of the value, in the file; in ``data`` of ``ScannedHeader`` if that was inflated."""
    length: int
    """Bytes of the value that the file has, up to its end if the length is undefined."""


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
    meta = _Walk(data, size, packed, implicit=_looks_implicit(data, start), group=2)
    begin = meta.run(start)
    command = _Walk(data, size, packed, implicit=True, group=0)
    begin = command.run(begin)
    syntax = meta.syntax
    if syntax == DeflatedExplicitVRLittleEndian:
        return _inflated(data, begin, packed)
    implicit, little = _encoding(syntax, data[begin : begin + 6])
    if begin + 6 <= len(data):  # as pydicom does: what the data show outdoes the syntax
        implicit = _marked_implicit(data, begin)
    walk = _Walk(data, size, packed, implicit=implicit, little=little)
    end = walk.run(begin)
    if end >= len(data) < size:
        raise SourceError(
            f"over {_HEADER_MAX >> 20} MiB before the pixel data: export the image without "
            "private data"
        )
    return ScannedHeader(bytes(data[:end]), False, walk.pixels, walk.frames)


def _looks_implicit(data: mmap.mmap, start: int) -> bool:
    return data[start : start + 2] == b"\2\0" and _marked_implicit(data, start)


def _marked_implicit(data: "mmap.mmap | bytes", start: int) -> bool:
    """Whether the element has no value representation: no two capital letters after its tag."""
    vr = data[start + 4 : start + 6]
    return len(vr) == 2 and not (0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B)


def _encoding(syntax: str | None, first: bytes) -> tuple[bool, bool]:
    """Implicit VR and little-endian, as pydicom takes them: guessed if no syntax is named."""
    if syntax is None:
        implicit = first[4:6] not in _VRS
        return implicit, implicit or int.from_bytes(first[:2], "little") < 1024
    if syntax == ImplicitVRLittleEndian:
        return True, True
    return False, syntax != ExplicitVRBigEndian


def _inflated(data: mmap.mmap, begin: int, packed: int) -> ScannedHeader:
    """A deflated file as one that is not (PS3.5 A.5)."""
    syntax = ExplicitVRLittleEndian.encode() + b"\0"
    meta = _EXPLICIT[True].pack(2, 0x10, b"UI", len(syntax)) + syntax
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
    walk = _Walk(plain, len(plain), packed, implicit=_marked_implicit(plain, first))
    walk.run(first)
    return ScannedHeader(plain, True, walk.pixels, walk.frames)


def _end(place: int, length: int, until: int | None) -> int | None:
    """Where an item or sequence ends at the latest: it does not outlast what it is in."""
    if length == _UNDEFINED:
        return until
    return place + length if until is None else min(place + length, until)


class _Walk:
    """One pass over elements, items and their ends.

    Args:
        data: what to walk over.
        size: of the whole file, bytes, which ``data`` may be the beginning of.
        packed: of the file on disk, bytes.
        implicit: whether elements have no value representations.
        little: whether numbers are little-endian.
        group: stop at the first element of the data set that is of another group.
    """

    def __init__(
        self,
        data: mmap.mmap | bytes,
        size: int,
        packed: int,
        *,
        implicit: bool,
        little: bool = True,
        group: int | None = None,
    ) -> None:
        self.pixels: Pixels | None = None
        self.frames = 1
        self.syntax: str | None = None
        self._data, self._size, self._implicit = data, size, implicit
        self._little, self._group = little, group
        self._nodes = 0
        self._nodes_max = _NODES_MAX + packed * _NODES_A_PACKED_BYTE

    def run(self, place: int) -> int:
        """Walk to the pixel data or the end, from ``place``; where it stopped."""
        data, little = self._data, self._little
        end = len(data)
        # Open items and sequences: whether a sequence, where it ends at the latest (None: at a
        # delimiter), and whether its elements are implicit. The data set itself is at the bottom.
        stack: list[tuple[bool, int | None, bool]] = [(False, None, self._implicit)]
        while place + 8 <= end:
            sequence, until, implicit = stack[-1]
            if until is not None and place >= until:
                stack.pop()
                if sequence and stack[-1][1] != until:
                    place = until  # an item that overruns its sequence does not move what follows
                continue
            self._count(place, len(stack))
            if sequence:
                group, element, length = _IMPLICIT[little].unpack_from(data, place)
                place += 8
                if group << 16 | element == _SEQUENCE_END:
                    stack.pop()
                else:
                    below = implicit or _marked_implicit(data, place)
                    stack.append((False, _end(place, length, until), below))
                continue
            tag, vr, length, value = self._element(place, implicit)
            if len(stack) == 1:
                if self._group is not None and tag >> 16 != self._group:
                    return place
                if tag in _PIXELS:
                    self._at_pixels(tag, vr, length, value)
                    return place
                if tag in (_NUMBER_OF_FRAMES, _TRANSFER_SYNTAX):
                    self._note(tag, value, length)
            place = value
            if tag == _ITEM_END:
                if len(stack) == 1:
                    return place
                stack.pop()
            elif self._is_sequence(tag, vr, length, value):
                stack.append((True, _end(value, length, until), implicit))
            elif length == _UNDEFINED:
                place = self._delimiter(value)
            else:
                place += length
        return min(place, end) if place + 8 <= end else end

    def _count(self, place: int, depth: int) -> None:
        self._nodes += 1
        backed = _NODES_MAX + max(0, self._size - place) // _BYTES_A_NODE
        if self._nodes > min(backed, self._nodes_max):
            raise SourceError(
                "too many elements and sequence items in the DICOM header: export the image "
                "without private data"
            )
        if depth > _DEPTH_MAX:
            raise SourceError(
                f"sequences more than {_DEPTH_MAX // 2} deep in the DICOM header: export the "
                "image without private data"
            )

    def _element(self, place: int, implicit: bool) -> tuple[int, bytes | None, int, int]:
        """Tag, value representation, length, and where the value begins."""
        data, little = self._data, self._little
        if implicit:
            group, element, length = _IMPLICIT[little].unpack_from(data, place)
            return group << 16 | element, None, length, place + 8
        group, element, vr, length = _EXPLICIT[little].unpack_from(data, place)
        if vr in _LONG_VRS:
            if place + 12 > len(data):
                return group << 16 | element, vr, 0, len(data)
            return (
                group << 16 | element,
                vr,
                _LENGTH[little].unpack_from(data, place + 8)[0],
                (place + 12),
            )
        if vr not in _VRS and not b"AA" <= vr <= b"ZZ":
            (length,) = _LENGTH[little].unpack_from(data, place + 4)
            vr = None
        return group << 16 | element, vr, length, place + 8

    def _is_sequence(self, tag: int, vr: bytes | None, length: int, value: int) -> bool:
        if vr == b"SQ" or (vr == b"UN" and length == _UNDEFINED):
            return True
        if vr is not None and vr != b"UN":
            return False
        if dictionary_has_tag(tag):
            return dictionary_VR(tag) == VR.SQ
        if length != _UNDEFINED or value + 4 > len(self._data):
            return False
        group, element = Struct("<HH" if self._little else ">HH").unpack_from(self._data, value)
        return bool(group << 16 | element == _ITEM)

    def _delimiter(self, value: int) -> int:
        """Past the end of a value of undefined length that is no sequence."""
        delimiter = Struct("<HH" if self._little else ">HH").pack(0xFFFE, 0xE0DD)
        found = self._data.find(delimiter, value)
        return len(self._data) if found < 0 else found + 8

    def _at_pixels(self, tag: int, vr: bytes | None, length: int, value: int) -> None:
        there = max(0, self._size - value)
        stored = there if length == _UNDEFINED else min(length, there)
        name = None if vr is None else vr.decode()
        self.pixels = Pixels(_PIXELS[tag], name, value, stored)

    def _note(self, tag: int, value: int, length: int) -> None:
        text = bytes(self._data[value : value + min(length, 64)]).strip(b"\0 ")
        if tag == _TRANSFER_SYNTAX:
            self.syntax = text.decode("ascii", "replace")
        elif text.isdigit() and len(text) <= 12:
            backed = self._size // _FRAME_BYTES_MIN + 1
            self.frames = max(1, min(int(text), _FRAMES_MAX, backed))
