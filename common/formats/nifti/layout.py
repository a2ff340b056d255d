"""What the header of a NIfTI file says about its voxels."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.domain.affine import Affine


@dataclass(frozen=True, slots=True)
class Layout:
    """What the header says about the voxels of a file."""

    shape: tuple[int, int, int]
    """Voxels of one volume along i, j and k (``dim[1]`` to ``dim[3]``)."""
    volumes: int
    """``dim[4]``, or 1."""
    dtype: np.dtype[Any]
    """Of the stored voxels (``datatype``), in the file's byte order."""
    offset: int
    """Bytes before the first voxel (``vox_offset``)."""
    slope: float
    """``scl_slope``; 1 where the header has none."""
    inter: float
    """``scl_inter``; 0 where the header has none."""
    affine: Affine | None
    """Voxel indices to mm, RAS+; None if not even the sizes of the voxels are known."""
    problems: tuple[str, ...] = ()
    """What is wrong with the header (codes such as ``geometry_unknown``)."""

    @property
    def end(self) -> int:
        """Bytes of the file up to the end of its last volume, uncompressed."""
        return self.offset + self.volumes * self.volume_bytes

    @property
    def scaled(self) -> bool:
        """Whether the stored values have to be scaled."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume in the file."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def memory_bytes(self) -> int:
        """Bytes of one volume in memory: scaled values are float32."""
        return math.prod(self.shape) * max(self.dtype.itemsize, 4 * self.scaled)
