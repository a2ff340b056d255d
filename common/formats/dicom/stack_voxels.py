"""The voxels of a volume out of DICOM slices: decoded, stacked and rescaled in one buffer."""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.buffers import Allocate, in_memory
from common.formats.dicom.pixel_data import decode_frames
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack import is_identity


def read_stack(slices: Sequence[Slice], allocate: Allocate = in_memory) -> npt.NDArray[Any]:
    """Read the voxels and rescale them by RescaleSlope and RescaleIntercept (PS3.3 C.11.1).

    The values keep their stored type if rescaling changes nothing, become int16 or uint16 if
    they stay integers and fit, else float32. MONOCHROME1 (PS3.3 C.7.6.3.1.2) tells how to
    display values, not what they are, and changes nothing.

    Args:
        slices: of one volume, in order of their position.
        allocate: makes the buffer, once; the voxels begin where it does.

    Returns:
        Voxels (column, row, slice) in Fortran order, little-endian.

    Raises:
        SourceError: pixel data is missing, truncated or cannot be decoded, a file changed, or
            rescaled values overflow float32.
    """
    stored, buffer = _stored(slices, allocate)
    return stored if is_identity(slices) else _rescaled(slices, stored, buffer)


def slice_digests(slices: Sequence[Slice]) -> list[str | None]:
    """A digest of the stored values of each slice; None where they cannot be read."""
    by_file: dict[Path, list[int]] = {}
    for k, plane in enumerate(slices):
        by_file.setdefault(plane.path, []).append(k)
    digests: list[str | None] = [None] * len(slices)
    for path, indices in by_file.items():
        indices.sort(key=lambda k: slices[k].frame or 0)
        first = slices[indices[0]]
        wanted = [slices[k].frame or 0 for k in indices]
        with suppress(SourceError):
            for k, pixels in zip(
                indices,
                decode_frames(path, first.label, wanted, first.stamp, first.tiles),
                strict=True,
            ):
                # As numbers of one size: archives may store the same values in other types.
                values = np.ascontiguousarray(pixels, "<i8" if pixels.dtype.kind in "iu" else "<f8")
                digests[k] = blake2b(values.data, digest_size=16).hexdigest()
    return digests


def _stored(
    slices: Sequence[Slice], allocate: Allocate
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """The stored values, and the buffer that they begin: it has room for what they become."""
    by_file: dict[Path, list[int]] = {}
    for k, plane in enumerate(slices):
        by_file.setdefault(plane.path, []).append(k)
    first = slices[0]
    shape = (first.columns, first.rows, len(slices))
    volume: npt.NDArray[Any] = np.empty(0)
    buffer: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
    for path, indices in by_file.items():
        indices.sort(key=lambda k: slices[k].frame or 0)
        plane = slices[indices[0]]
        label = plane.label
        wanted = [slices[k].frame or 0 for k in indices]
        frames = decode_frames(path, label, wanted, plane.stamp, plane.tiles)
        for k, pixels in zip(indices, frames, strict=True):
            if pixels.shape != (first.rows, first.columns):
                raise SourceError(
                    f"{label} is damaged: its pixels are {pixels.shape}, its header declares "
                    f"{(first.rows, first.columns)} (rows, columns); copy it again"
                )
            if not volume.size:  # the type is known once a slice is decoded
                itemsize = max(pixels.itemsize, 4 * (not is_identity(slices)))
                buffer = allocate(pixels.size * len(slices) * itemsize)
                volume = _array(buffer, shape, pixels.dtype.newbyteorder("<"))
            if pixels.dtype.newbyteorder("<") != volume.dtype:
                raise SourceError(
                    f"mixed pixel types in one series: {label} differs from {first.label}; "
                    "export it again"
                )
            volume[:, :, k] = pixels.T
    return volume, buffer


def _array(
    buffer: npt.NDArray[np.uint8], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    size = int(np.prod(shape)) * dtype.itemsize
    return buffer[:size].view(dtype).reshape(shape, order="F")


def _rescaled(
    slices: Sequence[Slice], stored: npt.NDArray[Any], buffer: npt.NDArray[np.uint8]
) -> npt.NDArray[Any]:
    """Rescale in place: a volume of 2 GiB is not twice in memory."""
    target = _rescaled_type(slices, stored)
    out = _array(buffer, stored.shape, target)
    # Values that grow are written from the last slice on, so that none is overwritten unread.
    order = range(len(slices))
    try:
        with np.errstate(over="raise", invalid="ignore"):
            for k in reversed(order) if target.itemsize > stored.itemsize else order:
                values = stored[:, :, k].astype(np.float64) * slices[k].slope
                out[:, :, k] = values + slices[k].intercept
    except FloatingPointError as error:
        raise SourceError(
            "rescaled values are too large for float32: correct RescaleSlope and RescaleIntercept"
        ) from error
    return out


def _rescaled_type(slices: Sequence[Slice], stored: npt.NDArray[Any]) -> np.dtype[Any]:
    integers = stored.dtype.kind in "iu" and all(
        plane.slope.is_integer() and plane.intercept.is_integer() for plane in slices
    )
    if integers:
        extremes = [
            float(end) * plane.slope + plane.intercept
            for k, plane in enumerate(slices)
            for end in (stored[:, :, k].min(), stored[:, :, k].max())
        ]
        for name in ("int16", "uint16"):
            limits = np.iinfo(name)
            if limits.min <= min(extremes) and max(extremes) <= limits.max:
                return np.dtype(name).newbyteorder("<")
    return np.dtype("<f4")
