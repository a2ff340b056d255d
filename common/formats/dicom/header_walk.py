"""One pass over the elements of a DICOM header: counts them, and finds the pixel data.

The walk makes the same choices as pydicom (value representations, implicit items in explicit
files), else a file could show one structure here and another one there.
"""

import mmap
from dataclasses import dataclass
from struct import Struct

from common.errors import SourceError

NODES_MAX = 20_000
"""Elements and items of a file. Classic images have some hundreds; pydicom takes 1 s for these."""
_BYTES_A_NODE = 24
"""A file may have one more for each of these bytes of pixels: 170 for a frame of 64 x 64 bytes.
Enhanced files describe each frame in 50 to 150 elements and items."""
_NODES_A_PACKED_BYTE = 4
"""And at most so many more for each byte on disk: a compressed file may be tiny."""
_DEPTH_MAX = 32
_FRAMES_MAX = 65_535
_FRAME_BYTES_MIN = 256

UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
_NUMBER_OF_FRAMES = 0x00280008
_TRANSFER_SYNTAX = 0x00020010
_NOTED = {_NUMBER_OF_FRAMES, _TRANSFER_SYNTAX, *_PIXELS}

_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
VRS = _SHORT_VRS | _LONG_VRS
"""Value representations (PS3.5 6.2), with lengths of two and of four bytes; not from pydicom, which
takes long to import."""
EXPLICIT = {True: Struct("<HH2sH"), False: Struct(">HH2sH")}
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


Element = tuple[int, bytes | None, int, int, int]
"""An element of the data set itself, not of an item in it: its tag; its value representation, None
if it has none; where it begins; where its value begins; and the length of the value in bytes, or
``UNDEFINED``. A plain tuple, as there are some hundreds in each file."""


def marked_implicit(data: "mmap.mmap | bytes", start: int) -> bool:
    """Whether the element has no value representation: no two capital letters after its tag."""
    vr = data[start + 4 : start + 6]
    return len(vr) == 2 and not (0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B)


def _end(place: int, length: int, until: int | None) -> int | None:
    """Where an item or sequence ends at the latest: it does not outlast what it is in."""
    if length == UNDEFINED:
        return until
    return place + length if until is None else min(place + length, until)


class Walk:
    """One pass over elements, items and their ends.

    Args:
        data: what to walk over.
        size: of the whole file, bytes, which ``data`` may be the beginning of.
        packed: of the file on disk, bytes.
        implicit: whether elements have no value representations.
        little: whether numbers are little-endian.
        group: stop at the first element of the data set that is of another group.

    Attributes:
        elements: of the data set itself before the pixel data, in their order.
        is_plain: whether these are all elements, and all have a known value representation, or
            none has one.
        pixels: where the pixel data are.
        frames: NumberOfFrames, as far as the file has bytes for them; else 1.
        syntax: the transfer syntax.
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
        self.elements: list[Element] = []
        self.is_plain = True
        self.pixels: Pixels | None = None
        self.frames = 1
        self.syntax: str | None = None
        self._data, self._size, self._implicit = data, size, implicit
        self._little, self._group = little, group
        self._nodes_max = NODES_MAX + packed * _NODES_A_PACKED_BYTE

    def run(self, place: int) -> int:
        """Walk to the pixel data or the end, from ``place``; where it stopped.

        Raises:
            SourceError: there are too many elements and items, or too deep ones.
        """
        data, only, noted = self._data, self._group, self.elements
        item = _IMPLICIT[self._little].unpack_from
        explicit = EXPLICIT[self._little].unpack_from
        end, nodes = len(data), 0
        # Open items and sequences: whether a sequence, where it ends at the latest (None: at a
        # delimiter), and whether its elements are implicit. The data set itself is at the bottom.
        stack: list[tuple[bool, int | None, bool]] = [(False, None, self._implicit)]
        sequence, until, implicit = stack[-1]
        while place + 8 <= end:
            if until is not None and place >= until:
                stack.pop()
                if sequence and stack[-1][1] != until:
                    place = until  # an item that overruns its sequence does not move what follows
                sequence, until, implicit = stack[-1]
                continue
            nodes += 1
            if nodes > NODES_MAX:
                self._check_count(nodes, place)
            if sequence:
                group, element, length = item(data, place)
                place += 8
                if group << 16 | element == _SEQUENCE_END:
                    stack.pop()
                else:
                    below = implicit or marked_implicit(data, place)
                    stack.append((False, _end(place, length, until), below))
                sequence, until, implicit = stack[-1]
                continue
            if implicit:
                group, element, length = item(data, place)
                vr, value = None, place + 8
            else:
                group, element, vr, length = explicit(data, place)
                value = place + 8
                if vr not in _SHORT_VRS:
                    vr, value, length = self._long(vr, place, length)
            tag = group << 16 | element
            if len(stack) == 1:
                if only is not None and group != only:
                    return place
                if tag in _NOTED:
                    self._note(tag, vr, value, length)
                    if tag in _PIXELS:
                        return place
                if nodes > NODES_MAX or (vr not in VRS and not implicit):
                    self.is_plain = False
                else:
                    noted.append((tag, vr, place, value, length))
            if tag == _ITEM_END:
                if len(stack) == 1:
                    return value
                stack.pop()
                sequence, until, implicit = stack[-1]
                place = value
            elif vr in _SHORT_VRS:
                place = value + length
            elif self._is_sequence(tag, vr, value, length):
                stack.append((True, _end(value, length, until), implicit))
                sequence, until, implicit = stack[-1]
                place = value
                if len(stack) > _DEPTH_MAX:
                    raise SourceError(
                        f"sequences more than {_DEPTH_MAX // 2} deep in the DICOM header: export "
                        "the image without private data"
                    )
            else:
                place = self._delimiter(value) if length == UNDEFINED else value + length
        return min(place, end) if place + 8 <= end else end

    def _check_count(self, nodes: int, place: int) -> None:
        backed = NODES_MAX + max(0, self._size - place) // _BYTES_A_NODE
        if nodes > min(backed, self._nodes_max):
            raise SourceError(
                "too many elements and sequence items in the DICOM header: export the image "
                "without private data"
            )

    def _long(self, vr: bytes, place: int, length: int) -> tuple[bytes | None, int, int]:
        """Value representation, place of the value and length of an explicit element that does not
        have its length in two bytes, perhaps."""
        data, little = self._data, self._little
        if vr in _LONG_VRS:
            if place + 12 > len(data):
                return vr, len(data), 0
            return vr, place + 12, _LENGTH[little].unpack_from(data, place + 8)[0]
        if b"AA" <= vr <= b"ZZ":
            return vr, place + 8, length
        return None, place + 8, _LENGTH[little].unpack_from(data, place + 4)[0]

    def _is_sequence(self, tag: int, vr: bytes | None, value: int, length: int) -> bool:
        if vr == b"SQ" or (vr == b"UN" and length == UNDEFINED):
            return True
        if vr is not None and vr != b"UN":
            return False
        if not tag >> 16 & 1:  # not private
            from pydicom.datadict import dictionary_has_tag, dictionary_VR

            if dictionary_has_tag(tag):
                return dictionary_VR(tag) == "SQ"
        if length != UNDEFINED or value + 4 > len(self._data):
            return False
        group, element = Struct("<HH" if self._little else ">HH").unpack_from(self._data, value)
        return bool(group << 16 | element == _ITEM)

    def _delimiter(self, value: int) -> int:
        """Past the end of a value of undefined length that is no sequence."""
        delimiter = Struct("<HH" if self._little else ">HH").pack(0xFFFE, 0xE0DD)
        found = self._data.find(delimiter, value)
        return len(self._data) if found < 0 else found + 8

    def _note(self, tag: int, vr: bytes | None, value: int, length: int) -> None:
        if tag in _PIXELS:
            there = max(0, self._size - value)
            stored = there if length == UNDEFINED else min(length, there)
            self.pixels = Pixels(_PIXELS[tag], None if vr is None else vr.decode(), value, stored)
            return
        text = bytes(self._data[value : value + min(length, 64)]).strip(b"\0 ")
        if tag == _TRANSFER_SYNTAX:
            self.syntax = text.decode("ascii", "replace")
        elif text.isdigit() and len(text) <= 12:
            backed = self._size // _FRAME_BYTES_MIN + 1
            self.frames = max(1, min(int(text), _FRAMES_MAX, backed))
