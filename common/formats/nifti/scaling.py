"""Stored NIfTI voxels to the values of a scan: byte order, ``scl_slope``, ``scl_inter``, types."""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.nifti.byte_stream import ByteStream
from common.formats.nifti.header import Layout

_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")  # of a scan, narrowest first
_EXACT_IN_FLOAT64 = 2**53


def read_values(stream: ByteStream, layout: Layout) -> npt.NDArray[Any]:
    """Read one volume from where the stream is.

    Stored values keep their type if the header does not scale them (slope 1 and intercept 0, or
    slope 0: "no scaling" in the standard). Otherwise they become ``slope * value + inter`` as
    float32. Unscaled 64-bit integers take the narrowest type of a scan that holds them all.

    Returns:
        Values (i, j, k) in Fortran order, little-endian.

    Raises:
        SourceError: scaled values overflow float32, or no type holds the 64-bit integers.
        EOFError: the data ends before the volume does.
    """
    return _scaled(stream, layout) if layout.scaled else _unscaled(stream, layout)


def _unscaled(stream: ByteStream, layout: Layout) -> npt.NDArray[Any]:
    data = np.empty(layout.volume_bytes, np.uint8)
    stream.fill(data.data)
    array = data.view(layout.dtype)
    if layout.dtype != layout.dtype.newbyteorder("<"):
        array = array.byteswap(inplace=True).view(layout.dtype.newbyteorder("<"))
    volume = array.reshape(layout.shape, order="F")
    return narrowed(volume) if volume.dtype.kind in "iu" and volume.itemsize == 8 else volume


def _scaled(stream: ByteStream, layout: Layout) -> npt.NDArray[Any]:
    """Slice by slice, so that the stored values are never in memory all at once."""
    i, j, slices = layout.shape
    scaled = np.empty(layout.shape, "<f4", order="F")
    data = np.empty(i * j * layout.dtype.itemsize, np.uint8)
    stored = data.view(layout.dtype).reshape((i, j), order="F")
    try:
        with np.errstate(over="raise", invalid="ignore"):
            for k in range(slices):
                stream.fill(data.data)
                scaled[:, :, k] = stored.astype(np.float64) * layout.slope + layout.inter
    except FloatingPointError as error:
        raise SourceError(
            "scaled values are too large for float32: correct scl_slope and scl_inter"
        ) from error
    return scaled


def narrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """64-bit integers as the narrowest type of a scan that holds them all exactly.

    Args:
        array: 64-bit integers of any shape.

    Raises:
        SourceError: no integer type of a scan nor float64 holds them exactly.
    """
    low, high = int(array.min()), int(array.max())
    for name in _INTEGERS:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return array.astype(np.dtype(name).newbyteorder("<"))
    if max(-low, high) <= _EXACT_IN_FLOAT64:
        return array.astype("<f8")
    raise SourceError(
        f"64-bit integers from {low} to {high}: no smaller type holds them exactly; convert them"
    )
