"""Protection against decompression bombs: sizes are checked before a library decompresses.

Deflated files: DICOM PS3.5 A.5. Frame headers: JPEG and JPEG-LS, ITU-T T.81 B.2; JPEG 2000,
ITU-T T.800 A.5.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from common.errors import SourceError

_INFLATED_MAX = 64 << 20  # bytes: many times a slice; pydicom inflates a whole file at once
_BLOCK = 1 << 16
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_TRANSFER_SYNTAX = (0x0002, 0x0010)
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}

_COMPONENTS_MAX = 4
_J2K_START = b"\xff\x4f\xff\x51"  # SOC and SIZ
_SIZE_MARKERS = {0xF7, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOFn, and SOF55 of JPEG-LS
_BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}  # without a length


def check_inflated(path: Path) -> None:
    """Check that a deflated file inflates to 64 MiB at most; other files pass.

    Raises:
        SourceError: it inflates to more, or is damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(132)
        file.seek(132 if start[128:] == b"DICM" else 0)
        if _transfer_syntax(file) != _DEFLATED:
            return
        inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
        data = file.read(_BLOCK)
        try:
            while data and not inflater.eof:
                inflated += len(inflater.decompress(data, _BLOCK))
                if inflated > _INFLATED_MAX:
                    raise SourceError(
                        f"a deflated file that inflates to over {_INFLATED_MAX >> 20} MiB: "
                        "convert it to an uncompressed transfer syntax"
                    )
                data = inflater.unconsumed_tail or file.read(_BLOCK)
        except zlib.error as error:
            raise SourceError("the deflated data is damaged: copy the file again") from error


def _transfer_syntax(file: BinaryIO) -> bytes | None:
    """From the file meta information; leaves the file at the data set behind it."""
    found = None
    while len(head := file.read(8)) == 8:
        group, element, kind, size = struct.unpack("<HH2sH", head)
        if group != 2:
            file.seek(-8, 1)
            break
        if kind in _LONG:
            (size,) = struct.unpack("<I", file.read(4).ljust(4, b"\0"))
        value = file.read(min(size, _BLOCK))
        if (group, element) == _TRANSFER_SYNTAX:
            found = value.rstrip(b"\0 ")
    return found


def check_frame(frame: bytes, rows: int, columns: int) -> None:
    """Check that a compressed frame declares no larger size than the DICOM header does.

    Args:
        frame: a JPEG, JPEG-LS or JPEG 2000 stream.
        rows: of the DICOM header.
        columns: of the DICOM header.

    Raises:
        SourceError: it declares a larger size, more than 4 components, or no size.
    """
    sizes = _jpeg(frame) if frame[:2] == b"\xff\xd8" else _jpeg2000(frame)
    if not sizes:
        raise SourceError("damaged: a compressed frame has no header")
    for height, width, components in sizes:
        if height > rows or width > columns or components > _COMPONENTS_MAX:
            raise SourceError(
                f"damaged: a compressed frame has {height} rows and {width} columns "
                f"({components} components), the header declares {rows} and {columns}"
            )


def _jpeg(frame: bytes) -> list[tuple[int, int, int]]:
    """Rows, columns and components in each frame header before the first scan."""
    sizes, place = [], 2
    while (place := frame.find(b"\xff", place)) >= 0 and place + 10 <= len(frame):
        marker = frame[place + 1]
        if marker in _SIZE_MARKERS:
            sizes.append(struct.unpack_from(">HHB", frame, place + 5))
        if marker == 0xFF:
            place += 1
        elif marker in (0x00, *_BARE_MARKERS):  # in the data of a scan
            place += 2
        elif marker == 0xDA:
            break
        else:
            place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    return sizes


def _jpeg2000(frame: bytes) -> list[tuple[int, int, int]]:
    """Rows, columns and components of each codestream."""
    sizes, place = [], -1
    while (place := frame.find(_J2K_START, place + 1)) >= 0 and place + 42 <= len(frame):
        x, y, left, top = struct.unpack_from(">4I", frame, place + 8)
        (components,) = struct.unpack_from(">H", frame, place + 40)
        sizes.append((y - top, x - left, components))
    return sizes
