"""DICOM pixel data: decoding the frames of one file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import get_expected_length, iter_pixels
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from common.errors import SourceError
from common.formats.dicom.decompression_limits import check_frame
from common.formats.dicom.headers import LAYOUT, header_reasons
from common.formats.dicom.isolated import decoded_apart

_PIXELS = ("FloatPixelData", "DoubleFloatPixelData", "PixelData")
_PIXEL_TAGS = [
    Tag(keyword)
    for keyword in (
        *LAYOUT,
        *("PlanarConfiguration", "BitsStored", "HighBit", "PixelRepresentation"),
        *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
        *_PIXELS,
    )
]

_NATIVE = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
"""Transfer syntax of a file that does not name it, by (implicit VR, little-endian)."""

_PLUGINS: dict[str, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    RLELossless: "pylibjpeg",
}
"""What decodes instead of GDCM, pydicom's first choice: a damaged stream makes that end the whole
process."""

_APART = {JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1}
"""What GDCM alone decodes: in a process of its own."""


def decoded(path: Path, label: str, frames: list[int]) -> Iterator[npt.NDArray[Any]]:
    """The stored values of each frame (rows, columns).

    Raises:
        SourceError: pixel data is absent, cut short or cannot be decoded.
    """
    with header_reasons():
        data = pydicom.dcmread(path, force=True, specific_tags=_PIXEL_TAGS)
        if not any(name in data for name in _PIXELS):
            raise SourceError(f"{label} is cut short before its pixel data, or has none")
        syntax = _syntax(data)
    try:
        _check_length(data, label, syntax)
        _check_frames(data, syntax)
        if syntax in _APART:
            yield from decoded_apart(path, frames)
        else:
            yield from _frames(data, syntax, frames)
    except (SourceError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Each decoder has exceptions of its own; a panic of one in Rust is not even an Exception.
        # Pixel attributes are all that they can quote.
        reason = (str(error).splitlines() or [""])[0][:200]
        raise SourceError(
            f"pixel data of {label} is cut short or cannot be decoded ({syntax.name}): {reason}"
        ) from error


def decoded_here(path: Path, frames: list[int]) -> Iterator[npt.NDArray[Any]]:
    """The same in this process, which a damaged file may end; raises whatever decoders raise."""
    data = pydicom.dcmread(path, force=True, specific_tags=_PIXEL_TAGS)
    return _frames(data, _syntax(data), frames)


def _frames(
    data: pydicom.FileDataset, syntax: UID, frames: list[int]
) -> Iterator[npt.NDArray[Any]]:
    plugin = _PLUGINS.get(syntax, "")
    return iter_pixels(data, indices=frames, raw=True, decoding_plugin=plugin)


def _syntax(data: pydicom.FileDataset) -> UID:
    """The transfer syntax; by what the reading found where the file does not name it."""
    named = data.file_meta.get("TransferSyntaxUID")
    implicit, little = data.original_encoding
    syntax = UID(str(named)) if named else _NATIVE[bool(implicit), bool(little)]
    data.file_meta.TransferSyntaxUID = syntax
    return syntax


def _check_length(data: pydicom.Dataset, label: str, syntax: UID) -> None:
    stored = next(len(data[name].value or b"") for name in _PIXELS if name in data)
    declared = stored if syntax.is_compressed else get_expected_length(data)
    if stored < declared:
        raise SourceError(f"{label} is cut short: {stored} of {declared} bytes of pixels")


def _check_frames(data: pydicom.Dataset, syntax: UID) -> None:
    """Decoders take the size that a frame declares; RLE, like plain pixels, declares none."""
    if syntax.is_encapsulated and syntax != RLELossless:
        count = int(data.get("NumberOfFrames") or 1)
        for frame in generate_frames(data.PixelData, number_of_frames=count):
            check_frame(frame, data.Rows, data.Columns)
