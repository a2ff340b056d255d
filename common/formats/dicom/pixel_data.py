"""DICOM pixel data (PS3.5 section 8 and annex A): the frames of one file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy.typing as npt

from common.errors import SourceError
from common.formats.dicom.header_scan import scan_header
from common.formats.dicom.header_tags import PIXEL_TAGS
from common.formats.dicom.headers import as_source_error
from common.formats.dicom.native_pixels import native_pixels
from common.formats.dicom.slices import Stamp
from common.formats.dicom.stored_values import stored_values
from common.formats.opening import open_file


def decode_frames(
    path: Path, label: str, frames: Sequence[int], stamp: Stamp, tiles: int = 1
) -> Iterator[npt.NDArray[Any]]:
    """Decode frames of a file, or tiles of its one frame.

    Args:
        path: the file.
        label: names the file to its user.
        frames: indices from 0, ascending.
        stamp: of the file when its header was read.
        tiles: how many tiles are side by side in a mosaic.

    Yields:
        The stored values (row, column) of each frame: ``BitsStored`` bits, signed if
        ``PixelRepresentation`` says so (PS3.5 8.1.1); or what they stand for in the file's
        Modality LUT.

    Raises:
        SourceError: pixel data is missing, truncated or cannot be decoded, or the file changed.
    """
    with as_source_error(), open_file(path) as opened:
        if opened.stamp != stamp:
            raise SourceError(f"{label} changed after its header was read: send it again")
        opened.inflate()
        images = _images(opened.file, label, frames if tiles == 1 else [0])
        if tiles == 1:
            yield from images
        else:
            for mosaic in images:
                yield from (_tile(mosaic, number, tiles) for number in frames)
        if opened.stamp != stamp:
            raise SourceError(f"{label} changed while it was read: send it again")


def _images(file: BinaryIO, label: str, frames: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
    scanned = scan_header(file)
    if (native := native_pixels(scanned, PIXEL_TAGS)) is not None:
        for cells in native.frames(file, frames):
            yield stored_values(cells, native.values, native=True)
        return
    from common.formats.dicom.decoding import decode

    yield from decode(scanned, file, label, frames)


def _tile(mosaic: npt.NDArray[Any], number: int, across: int) -> npt.NDArray[Any]:
    height, width = (size // across for size in mosaic.shape)
    top, left = number // across * height, number % across * width
    return mosaic[top : top + height, left : left + width]
