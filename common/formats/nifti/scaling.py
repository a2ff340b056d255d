"""Stored NIfTI voxels to the values of a scan: byte order, ``scl_slope``, ``scl_inter``, types."""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.buffers import Allocate, in_memory
from common.formats.nifti.byte_stream import ByteStream
from common.formats.nifti.layout import Layout

_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")  # of a scan, narrowest first
_EXACT_IN_FLOAT64 = 2**53
_PIECE = 1 << 20  # values that are narrowed at once


def read_values(
    stream: ByteStream, layout: Layout, allocate: Allocate = in_memory
) -> npt.NDArray[Any]:
    """Read one volume from where the stream is.

    Stored values keep their type if the header does not scale them (slope 1 and intercept 0, or
    slope 0: "no scaling" in the standard). Otherwise they become ``slope * value + inter`` as
    float32. Unscaled 64-bit integers take the narrowest type of a scan that holds them all.

    Args:
        stream: at the first voxel.
        layout: of the file.
        allocate: makes the buffer, once; the values begin where it does.

    Returns:
        Values (i, j, k) in Fortran order, little-endian.

    Raises:
        SourceError: scaled values overflow float32, or no type holds the 64-bit integers.
        EOFError: the data ends before the volume does.
    """
    buffer = allocate(layout.memory_bytes if layout.scaled else layout.volume_bytes)
    return (_scaled if layout.scaled else _unscaled)(stream, layout, buffer)


def _unscaled(stream: ByteStream, layout: Layout, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    stream.fill(data.data)
    array = data.view(layout.dtype)
    if layout.dtype != layout.dtype.newbyteorder("<"):
        array = array.byteswap(inplace=True).view(layout.dtype.newbyteorder("<"))
    if array.dtype.kind in "iu" and array.itemsize == 8:
        array = narrowed(array)
    return array.reshape(layout.shape, order="F")


def _scaled(stream: ByteStream, layout: Layout, buffer: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Slice by slice, so that the stored values are never in memory all at once."""
    i, j, slices = layout.shape
    size = i * j * slices * 4
    scaled = buffer[:size].view("<f4").reshape(layout.shape, order="F")
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
        array: 64-bit integers, one axis; they are overwritten, as a volume is in memory once.

    Raises:
        SourceError: no integer type of a scan nor float64 holds them exactly.
    """
    low, high = int(array.min()), int(array.max())
    target = _narrowest(low, high)
    out = array.view(np.uint8)[: array.size * target.itemsize].view(target)
    for start in range(0, array.size, _PIECE):
        # Through a copy, because ``out`` is the same memory.
        out[start : start + _PIECE] = array[start : start + _PIECE].copy()
    return out


def _narrowest(low: int, high: int) -> np.dtype[Any]:
    for name in _INTEGERS:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return np.dtype(name).newbyteorder("<")
    if max(-low, high) <= _EXACT_IN_FLOAT64:
        return np.dtype("<f8")
    raise SourceError("64-bit integers that no smaller type holds exactly: convert them")
