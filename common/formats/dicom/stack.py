"""One volume out of DICOM slices: its pixels decoded, stacked and rescaled."""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.types import Affine
from common.errors import SourceError
from common.formats.dicom.pixel_data import decode_frames
from common.formats.dicom.slices import Slice


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that make one volume, in order of their position."""

    label: str
    slices: tuple[Slice, ...]
    affine: Affine | None
    """Voxel indices (column, row, slice) to mm, RAS+; None if the image has no geometry."""

    @property
    def path(self) -> Path:
        """The first file."""
        return self.slices[0].path

    @property
    def acquired_at(self) -> datetime | None:
        """When the first slice was acquired, UTC; None if no header says."""
        return min((at for plane in self.slices if (at := plane.acquired_at)), default=None)

    @property
    def subject(self) -> str | None:
        """Pseudonym of the patient; None if the headers have no patient's id."""
        return self.slices[0].subject

    @property
    def declared_bytes(self) -> int:
        """Bytes of memory that the volume takes, as its headers declare it."""
        first = self.slices[0]
        itemsize = max(math.ceil(first.bits / 8), 4 * (not self._identity))
        return first.rows * first.columns * len(self.slices) * itemsize

    @property
    def _identity(self) -> bool:
        return all((plane.slope, plane.intercept) == (1.0, 0.0) for plane in self.slices)

    def read(self) -> tuple[npt.NDArray[Any], Affine | None]:
        """Read the voxels and rescale them by RescaleSlope and RescaleIntercept (PS3.3 C.11.1).

        The values keep their stored type if rescaling changes nothing, become int16 or uint16 if
        they stay integers and fit, else float32. MONOCHROME1 (PS3.3 C.7.6.3.1.2) tells how to
        display values, not what they are, and changes nothing.

        Returns:
            Voxels (column, row, slice) in Fortran order, little-endian; and the affine that maps
            their indices to mm, RAS+, or None.

        Raises:
            SourceError: pixel data is missing, truncated or cannot be decoded, or rescaled values
                overflow float32.
        """
        stored = self._stored()
        return (stored if self._identity else self._rescaled(stored)), self.affine

    def _stored(self) -> npt.NDArray[Any]:
        by_file: dict[Path, list[int]] = {}
        for k, plane in enumerate(self.slices):
            by_file.setdefault(plane.path, []).append(k)
        first = self.slices[0]
        volume: npt.NDArray[Any] = np.empty(0)
        for path, indices in by_file.items():
            label = self.slices[indices[0]].label
            frames = decode_frames(path, label, [self.slices[k].frame or 0 for k in indices])
            for k, pixels in zip(indices, frames, strict=True):
                if pixels.shape != (first.rows, first.columns):
                    raise SourceError(
                        f"{label} is damaged: its pixels are {pixels.shape}, its header declares "
                        f"{(first.rows, first.columns)} (rows, columns)"
                    )
                if not volume.size:  # the type is known once a slice is decoded
                    shape = (first.columns, first.rows, len(self.slices))
                    volume = np.empty(shape, pixels.dtype.newbyteorder("<"), order="F")
                if pixels.dtype.newbyteorder("<") != volume.dtype:
                    raise SourceError(
                        f"mixed pixel types in one series: {label} differs from {first.label}"
                    )
                volume[:, :, k] = pixels.T
        return volume

    def _rescaled(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        target = self._rescaled_type(stored)
        # Nearly every CT: the voxels keep their size, so their memory is used again.
        same = stored.itemsize == target.itemsize
        out = stored.view(target) if same else np.empty(stored.shape, target, order="F")
        try:
            with np.errstate(over="raise", invalid="ignore"):
                for k, plane in enumerate(self.slices):
                    # Through a copy, because ``out`` may be the same memory.
                    values = stored[:, :, k].astype(np.float64) * plane.slope
                    out[:, :, k] = values + plane.intercept
        except FloatingPointError as error:
            raise SourceError(
                "rescaled values are too large for float32: correct RescaleSlope and "
                "RescaleIntercept"
            ) from error
        return out

    def _rescaled_type(self, stored: npt.NDArray[Any]) -> np.dtype[Any]:
        integers = stored.dtype.kind in "iu" and all(
            plane.slope.is_integer() and plane.intercept.is_integer() for plane in self.slices
        )
        if integers:
            extremes = [
                float(end) * plane.slope + plane.intercept
                for k, plane in enumerate(self.slices)
                for end in (stored[:, :, k].min(), stored[:, :, k].max())
            ]
            for name in ("int16", "uint16"):
                limits = np.iinfo(name)
                if limits.min <= min(extremes) and max(extremes) <= limits.max:
                    return np.dtype(name).newbyteorder("<")
        return np.dtype("<f4")
