"""DICOM pixel data (PS3.5 section 8 and annex A): decoding the frames of one file."""

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
from common.formats.dicom.gdcm_process import decode_in_child
from common.formats.dicom.headers import LAYOUT, as_source_error

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
"""Transfer syntax of a file that does not name it, by (implicit VR, little-endian) as read."""

_PLUGINS: dict[str, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    RLELossless: "pylibjpeg",
}
"""Decoders used instead of GDCM, pydicom's first choice, which a damaged stream can crash."""

_IN_CHILD = {JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1}
"""Only GDCM decodes these: it does so in a child process."""


def decode_frames(path: Path, label: str, frames: list[int]) -> Iterator[npt.NDArray[Any]]:
    """Decode frames of a file.

    Args:
        path: the file.
        label: names the file to its user.
        frames: indices from 0.

    Yields:
        The stored values (row, column) of each frame.

    Raises:
        SourceError: pixel data is missing, truncated or cannot be decoded.
    """
    with as_source_error():
        data = pydicom.dcmread(path, force=True, specific_tags=_PIXEL_TAGS)
        if not any(name in data for name in _PIXELS):
            raise SourceError(
                f"{label} is truncated before its pixel data, or has none; export it again"
            )
        syntax = _syntax(data)
    try:
        _check_length(data, label, syntax)
        _check_frames(data, syntax)
        if syntax in _IN_CHILD:
            yield from decode_in_child(path, frames)
        else:
            yield from _frames(data, syntax, frames)
    except (SourceError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Each decoder raises its own exceptions, and a panic in Rust is not even an Exception.
        # They can quote pixel attributes, but no patient data: only pixel tags were read.
        reason = (str(error).splitlines() or [""])[0][:200]
        raise SourceError(
            f"pixel data of {label} is truncated or cannot be decoded ({syntax.name}): {reason}"
        ) from error


def decode_in_this_process(path: Path, frames: list[int]) -> Iterator[npt.NDArray[Any]]:
    """Decode frames (row, column) in this process, which a damaged file can crash.

    Raises:
        Exception: whatever the decoder raises.
    """
    data = pydicom.dcmread(path, force=True, specific_tags=_PIXEL_TAGS)
    return _frames(data, _syntax(data), frames)


def _frames(
    data: pydicom.FileDataset, syntax: UID, frames: list[int]
) -> Iterator[npt.NDArray[Any]]:
    plugin = _PLUGINS.get(syntax, "")
    return iter_pixels(data, indices=frames, raw=True, decoding_plugin=plugin)


def _syntax(data: pydicom.FileDataset) -> UID:
    """The transfer syntax, as read where the file does not name it (PS3.10 7.1)."""
    named = data.file_meta.get("TransferSyntaxUID")
    implicit, little = data.original_encoding
    syntax = UID(str(named)) if named else _NATIVE[bool(implicit), bool(little)]
    data.file_meta.TransferSyntaxUID = syntax
    return syntax


def _check_length(data: pydicom.Dataset, label: str, syntax: UID) -> None:
    stored = next(len(data[name].value or b"") for name in _PIXELS if name in data)
    declared = stored if syntax.is_compressed else get_expected_length(data)
    if stored < declared:
        raise SourceError(
            f"{label} is truncated: {stored} of {declared} bytes of pixels; copy it again"
        )


def _check_frames(data: pydicom.Dataset, syntax: UID) -> None:
    """Check frames before a decoder allocates what they declare; RLE frames declare no size."""
    if syntax.is_encapsulated and syntax != RLELossless:
        count = int(data.get("NumberOfFrames") or 1)
        for frame in generate_frames(data.PixelData, number_of_frames=count):
            check_frame(frame, data.Rows, data.Columns)
