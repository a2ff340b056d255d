"""Decodes the frames of one file with pydicom's decoders, which know all transfer syntaxes.

A damaged stream can crash the process that decodes it; the reader process is there for that.
"""

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

import numpy.typing as npt
import pydicom
from pydicom._uid_dict import UID_dictionary
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options, get_expected_length
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from common.errors import SourceError
from common.formats.dicom.frame_limits import check_frame
from common.formats.dicom.header_scan import ScannedHeader
from common.formats.dicom.header_tags import PIXEL_TAGS
from common.formats.dicom.header_walk import Pixels
from common.formats.dicom.modality_lut import modality_lut_of
from common.formats.dicom.parsing import parse_header
from common.formats.dicom.stored_values import stored_values

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
"""Decoders used instead of GDCM, pydicom's first choice, which a damaged stream can crash; only
GDCM decodes extended and lossless JPEG."""

_BUFFER_MAX = 64 << 20
"""Bytes of pixel data that are read at once; larger ones are read frame by frame."""


def decode(
    scanned: ScannedHeader, file: BinaryIO, label: str, frames: Sequence[int]
) -> Iterator[npt.NDArray[Any]]:
    """Decode frames of a file.

    Args:
        scanned: its header.
        file: the file.
        label: names it to its user.
        frames: indices from 0, ascending.

    Yields:
        What the stored values (row, column) of each frame stand for: themselves, or the values in
        the file's Modality LUT.

    Raises:
        SourceError: pixel data is missing, truncated or cannot be decoded.
    """
    data = parse_header(scanned, PIXEL_TAGS, force=True)
    if scanned.pixels is None:
        raise SourceError(
            f"{label} is truncated before its pixel data, or has none; export it again"
        )
    stream = io.BytesIO(scanned.data) if scanned.inflated else file
    yield from _decoded(data, _syntax(data), stream, scanned.pixels, label, frames)


def _decoded(
    data: pydicom.FileDataset,
    syntax: UID,
    stream: BinaryIO,
    pixels: Pixels,
    label: str,
    frames: Sequence[int],
) -> Iterator[npt.NDArray[Any]]:
    try:
        _check_length(data, label, syntax, pixels.length)
        stream.seek(pixels.offset)
        source = stream.read(pixels.length) if pixels.length <= _BUFFER_MAX else stream
        _check_frames(data, syntax, source)
        stream.seek(pixels.offset)
        yield from _frames(data, syntax, source, pixels, frames)
    except (SourceError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Each decoder raises its own exceptions, and a panic in Rust is not even an Exception.
        # Their texts may quote what the file says, so they are not repeated.
        name = syntax.name if syntax in UID_dictionary else "unknown transfer syntax"
        raise SourceError(
            f"pixel data of {label} is truncated or cannot be decoded ({name}, "
            f"{type(error).__name__}): export it again, uncompressed"
        ) from error


def _frames(
    data: pydicom.FileDataset,
    syntax: UID,
    source: "bytes | BinaryIO",
    pixels: Pixels,
    frames: Sequence[int],
) -> Iterator[npt.NDArray[Any]]:
    options = as_pixel_options(data, pixel_keyword=pixels.keyword, pixel_vr=pixels.vr or "OW")
    # Without indices, frames come in one pass; with them, each is looked for from the first one.
    every = list(frames) == list(range(options["number_of_frames"]))
    decoded = get_decoder(syntax).iter_array(
        source,
        indices=None if every else frames,
        validate=True,
        raw=True,
        decoding_plugin=_PLUGINS.get(syntax, ""),
        correct_unused_bits=False,  # it takes any HighBit for the usual one
        **options,
    )
    native = not syntax.is_encapsulated or syntax == RLELossless
    table = modality_lut_of(data, little=bool(data.original_encoding[1]))
    count = 0
    for array, _ in islice(decoded, len(frames)):
        stored = stored_values(array, data, native=native)
        yield stored if table is None else table.apply(stored)
        count += 1
    if count < len(frames):
        raise EOFError


def _syntax(data: pydicom.FileDataset) -> UID:
    """The transfer syntax, as read where the file does not name it (PS3.10 7.1)."""
    named = data.file_meta.get("TransferSyntaxUID")
    implicit, little = data.original_encoding
    return UID(str(named)) if named else _NATIVE[bool(implicit), bool(little)]


def _check_length(data: pydicom.Dataset, label: str, syntax: UID, stored: int) -> None:
    declared = stored if syntax.is_compressed else get_expected_length(data)
    if stored < declared:
        raise SourceError(
            f"{label} is truncated: {stored} of {declared} bytes of pixels; copy it again"
        )


def _check_frames(data: pydicom.Dataset, syntax: UID, source: "bytes | BinaryIO") -> None:
    """Check frames before a decoder allocates what they declare; RLE frames declare no size."""
    if syntax.is_encapsulated and syntax != RLELossless:
        count = int(data.get("NumberOfFrames") or 1)
        for frame in generate_frames(source, number_of_frames=count):
            check_frame(frame, data.Rows, data.Columns)
