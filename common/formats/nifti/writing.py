"""NIfTI files that hold a scan's voxels as they are stored, or label maps on them.

Voxels are little-endian and in Fortran order (the first axis varies fastest), as in NIfTI, so a
file is a header followed by them. NIfTI-1 (https://nifti.nimh.nih.gov/nifti-1), or NIfTI-2 for an
axis that is longer than NIfTI-1 can say.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from common.domain.affine import Affine
from common.domain.types import DType

_LONGEST_1 = 32767
_NO_EXTENSION, _EXTENDED = bytes(4), bytes((1, 0, 0, 0))

_COMMENT = 6
"""``ecode`` of an extension that is plain text."""

_EXTENSION_UNIT = 16
"""The size of an extension is a multiple of so many bytes."""

_SCANNER = 1
"""``sform_code``: coordinates of the scanner."""

_GZIP, _FASTEST = 31, 1


def nifti_header(
    shape: Sequence[int],
    dtype: DType,
    affine: Affine | None,
    *,
    names: Mapping[int, str] | None = None,
) -> bytes:
    """Everything that comes before the voxels in a single-file NIfTI.

    Args:
        shape: voxels along each axis.
        dtype: type of a voxel.
        affine: maps voxel indices to mm, RAS+: the sform; None: the file says no position.
        names: what each label means, if the voxels are labels; None: they are intensities.
    """
    kind: Any = Nifti1Header if max(shape) <= _LONGEST_1 else Nifti2Header
    header = kind(endianness="<")
    header.set_data_dtype(np.dtype(dtype).newbyteorder("<"))
    header.set_data_shape(tuple(shape))
    header["scl_slope"], header["scl_inter"] = 1, 0
    extension = _NO_EXTENSION
    if names is not None:
        extension = _EXTENDED + _comment(label_table(names))
        header.set_intent("label")
    if affine is not None:
        sizes = np.linalg.norm(np.array(affine)[:, :3], axis=0)
        header.set_zooms([float(size) for size in sizes[: len(shape)]])
        header.set_sform(np.vstack([np.array(affine), [0, 0, 0, 1]]), code=_SCANNER)
        header.set_xyzt_units(xyz="mm")
    header["vox_offset"] = header.sizeof_hdr + len(extension)
    block: bytes = header.binaryblock
    return block + extension


def label_table(names: Mapping[int, str]) -> str:
    """What labels mean, as BIDS describes segmentations (``_dseg.tsv``): a line for each label,
    with tabs between the columns 'index' and 'name'."""
    rows = ((label, " ".join(names[label].split())) for label in sorted(names))
    return "".join(f"{index}\t{name}\n" for index, name in (("index", "name"), *rows))


def _comment(text: str) -> bytes:
    """An extension of plain text. Programs that do not know it skip it."""
    data = text.encode()
    size = -(-(8 + len(data)) // _EXTENSION_UNIT) * _EXTENSION_UNIT
    return struct.pack("<ii", size, _COMMENT) + data.ljust(size - 8, b"\0")


def label_map_header(
    shape: Sequence[int], affine: Affine | None, names: Mapping[int, str]
) -> bytes:
    """Everything that comes before the labels of a label map, a byte for each voxel; with the
    names of the labels (``label_table``) as an extension of plain text.

    Args:
        shape: voxels along each axis.
        affine: as of ``nifti_header``.
        names: what each label means; 0 has no name.
    """
    return nifti_header(shape, "uint8", affine, names=names)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A file in pieces, compressed by gzip: the same bytes for the same pieces."""
    packer = zlib.compressobj(_FASTEST, wbits=_GZIP)
    for piece in pieces:
        if done := packer.compress(piece):
            yield done
    yield packer.flush()
