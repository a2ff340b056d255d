"""Frames of pixel data that are not compressed (PS3.5 8.1): they need no decoder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from common.formats.dicom.header_scan import ScannedHeader
from common.formats.dicom.header_values import plain_header
from common.formats.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from common.formats.dicom.values import number

_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
_BITS = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class NativePixels:
    """The pixel data of a greyscale file, in little-endian cells of whole bytes."""

    values: Mapping[str, Any]
    """The elements of its header, by keyword, that say how values are stored."""
    offset: int
    rows: int
    columns: int
    dtype: np.dtype[Any]

    def frames(self, file: BinaryIO, wanted: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
        """The cells (row, column) of these frames.

        Args:
            file: the file.
            wanted: indices from 0.

        Raises:
            EOFError: the file was cut off after its header was read.
        """
        size = self.rows * self.columns * self.dtype.itemsize
        for index in wanted:
            file.seek(self.offset + index * size)
            cells = file.read(size)
            if len(cells) < size:
                raise EOFError
            yield np.frombuffer(cells, self.dtype).reshape(self.rows, self.columns)


def native_pixels(scanned: ScannedHeader, keywords: Mapping[int, str]) -> NativePixels | None:
    """The pixel data of a file if they are such ones, and the header leaves no doubt about it.

    Args:
        scanned: the header.
        keywords: of the elements that describe pixels, by tag.
    """
    pixels = scanned.pixels
    if scanned.syntax not in _SYNTAXES or pixels is None or pixels.keyword != "PixelData":
        return None
    values = plain_header(scanned, keywords)
    if values is None or values.get("ModalityLUTSequence"):
        return None
    rows, columns, bits, stored = (
        _positive(values.get(name)) for name in ("Rows", "Columns", "BitsAllocated", "BitsStored")
    )
    if not (rows and columns and bits and stored):
        return None
    grey = values.get("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
    sign, high = values.get("PixelRepresentation"), values.get("HighBit")
    if not grey or values.get("SamplesPerPixel") != 1 or sign not in (0, 1) or bits not in _BITS:
        return None
    if not isinstance(high, int | None):
        return None
    count = number(values, "NumberOfFrames") if values.get("NumberOfFrames") else 1
    if stored > bits or not count or pixels.length < count * rows * columns * bits // 8:
        return None
    dtype = np.dtype(f"<{'i' if sign else 'u'}{bits // 8}")
    return NativePixels(values, pixels.offset, rows, columns, dtype)


def _positive(value: object) -> int:
    """A positive whole number; 0 if it is none."""
    return value if isinstance(value, int) and value > 0 else 0
