"""NIfTI files that hold a scan's voxels as they are stored, or label maps on them.

Voxels are little-endian and in Fortran order (the first axis varies fastest), as in NIfTI, so a
file is a header followed by them. NIfTI-1 (https://nifti.nimh.nih.gov/nifti-1), or NIfTI-2 for an
axis that is longer than NIfTI-1 can say.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from common.domain.affine import Affine
from common.domain.types import DType

_LONGEST_1 = 32767
_EXTENSION = bytes(4)
"""There is no extension."""

_SCANNER = 1
"""``sform_code``: coordinates of the scanner."""

_GZIP, _FASTEST = 31, 1


def nifti_header(
    shape: Sequence[int], dtype: DType, affine: Affine | None, *, labels: bool = False
) -> bytes:
    """Everything that comes before the voxels in a single-file NIfTI.

    Args:
        shape: voxels along each axis.
        dtype: type of a voxel.
        affine: maps voxel indices to mm, RAS+: the sform; None: the file says no position.
        labels: whether the voxels are labels, and not intensities.
    """
    kind: Any = Nifti1Header if max(shape) <= _LONGEST_1 else Nifti2Header
    header = kind(endianness="<")
    header.set_data_dtype(np.dtype(dtype).newbyteorder("<"))
    header.set_data_shape(tuple(shape))
    header["scl_slope"], header["scl_inter"] = 1, 0
    if labels:
        header.set_intent("label")
    if affine is not None:
        sizes = np.linalg.norm(np.array(affine)[:, :3], axis=0)
        header.set_zooms([float(size) for size in sizes[: len(shape)]])
        header.set_sform(np.vstack([np.array(affine), [0, 0, 0, 1]]), code=_SCANNER)
        header.set_xyzt_units(xyz="mm")
    size = header.sizeof_hdr + len(_EXTENSION)
    header["vox_offset"] = size
    block: bytes = header.binaryblock
    return block + _EXTENSION


def label_map_header(shape: Sequence[int], affine: Affine | None) -> bytes:
    """Everything that comes before the labels of a label map, a byte for each voxel.

    Args:
        shape: voxels along each axis.
        affine: as of ``nifti_header``.
    """
    return nifti_header(shape, "uint8", affine, labels=True)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A file in pieces, compressed by gzip: the same bytes for the same pieces."""
    packer = zlib.compressobj(_FASTEST, wbits=_GZIP)
    for piece in pieces:
        if done := packer.compress(piece):
            yield done
    yield packer.flush()
