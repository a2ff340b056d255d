"""Protection against compressed frames that decode to more than their file says.

Frame headers: JPEG and JPEG-LS, ITU-T T.81 B.2; JPEG 2000, ITU-T T.800 A.5.
"""

import struct

from common.errors import SourceError

_COMPONENTS_MAX = 4
_J2K_START = b"\xff\x4f\xff\x51"  # SOC and SIZ
_SIZE_MARKERS = {0xF7, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOFn, and SOF55 of JPEG-LS
_BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}  # without a length


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
        raise SourceError("damaged: a compressed frame has no header; copy it again")
    for height, width, components in sizes:
        if height > rows or width > columns or components > _COMPONENTS_MAX:
            raise SourceError(
                f"damaged: a compressed frame has {height} rows and {width} columns "
                f"({components} components), the header declares {rows} and {columns}; "
                "copy it again"
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
