"""NIfTI-1 and NIfTI-2 headers, parsed by nibabel and checked here.

Formats: https://nifti.nimh.nih.gov/nifti-1 and https://nifti.nimh.nih.gov/nifti-2.
"""

import logging
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from common.errors import SourceError
from common.formats.nifti.geometry import affine_of
from common.formats.nifti.layout import Layout

HEADER_BYTES = 540
"""The size of a NIfTI-2 header; a NIfTI-1 header is shorter (348 bytes)."""

_AXIS_MAX = 65535  # voxels along an axis of a scan
_VOLUMES_MAX = 65535  # in one file
_INFLATED_FREE = 160 << 20
"""Bytes that any compressed file may inflate to: empty masks shrink to a thousandth."""
_RATIO_MAX = 250
"""By how much larger files may inflate. Images shrink to a half or a sixth, probability maps to a
hundredth; 2 GiB in 2 MB would take minutes to send, to nobody's use."""
_DEFLATE_RATIO = 1032
"""Deflate cannot inflate by more, so a file that declares more is truncated or malicious."""

# nibabel has its own log handler and prints each header field that it repairs to stderr.
_silent = logging.Logger("common.formats.nifti.header", logging.CRITICAL + 1)


def parse_header(block: bytes) -> Layout:
    """Parse the first bytes of a file.

    Args:
        block: HEADER_BYTES bytes, fewer if the file is shorter.

    Raises:
        SourceError: this is not the header of a single NIfTI file (``n+1``, ``n+2``), or its
            voxels cannot become scans.
        Exception: whatever nibabel raises for a header that is not valid.
    """
    kinds: tuple[Any, ...] = (Nifti1Header, Nifti2Header)
    kind = next((kind for kind in kinds if kind.may_contain_header(block)), None)
    if kind is None:
        raise SourceError("not a NIfTI file: it does not begin with a NIfTI-1 or NIfTI-2 header")
    # Not through ``from_fileobj``, which reads header extensions of any declared length.
    header = kind(block[: kind.sizeof_hdr], check=False)
    if header["magic"].item() != kind.single_magic:
        raise SourceError("one half of a .hdr/.img pair: convert the pair to one .nii file")
    header.check_fix(logger=_silent, error_level=40)
    shape, volumes = _shape(tuple(int(length) for length in header.get_data_shape()))
    slope, inter = header.get_slope_inter()
    return Layout(
        shape=shape,
        volumes=volumes,
        dtype=_dtype(header),
        offset=int(header.get_data_offset()) or int(kind.single_vox_offset),
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        affine=affine_of(header),
    )


def check_size(layout: Layout, size: int, *, compressed: bool) -> None:
    """Check that a file of ``size`` bytes can hold what its header declares.

    Raises:
        SourceError: it cannot, or it would inflate too much.
    """
    end = layout.end
    if end > size * (_DEFLATE_RATIO if compressed else 1):
        raise SourceError(
            f"the file is truncated: its header declares {end} bytes, "
            f"a file of {size} cannot hold them; copy it again"
        )
    if compressed and end > max(_INFLATED_FREE, size * _RATIO_MAX):
        raise SourceError(
            f"a compressed file that inflates more than {_RATIO_MAX}-fold, to {end >> 20} MiB: "
            "send it uncompressed, as .nii"
        )


def _shape(dims: tuple[int, ...]) -> tuple[tuple[int, int, int], int]:
    """The shape of a volume, and the number of volumes."""
    axes = "x".join(map(str, dims))
    if not dims or min(dims) < 0:
        raise SourceError(f"the NIfTI header is not valid: axes of {axes or 'no'} voxels")
    if 0 in dims:
        raise SourceError(f"an empty volume: axes of {axes} voxels")
    while len(dims) > 3 and dims[-1] == 1:
        dims = dims[:-1]
    if len(dims) == 1:
        raise SourceError(f"not an image: one row of {axes} values")
    if len(dims) > 4:
        raise SourceError(
            f"{len(dims)}-D data ({axes}), such as vectors or matrices: send 3-D or 4-D images"
        )
    if max(dims[:3]) > _AXIS_MAX:
        raise SourceError(f"axes of {axes} voxels: the limit is {_AXIS_MAX} along each")
    i, j, k, volumes = (*dims, 1, 1)[:4]
    # Each volume becomes a scan, and a few compressed kilobytes can declare millions of them.
    if volumes > _VOLUMES_MAX:
        raise SourceError(f"{volumes} volumes in one file: the limit is {_VOLUMES_MAX}")
    return (i, j, k), volumes


def _dtype(header: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = header.get_data_dtype()
    if dtype.kind == "V":
        raise SourceError("voxels are RGB colours: send an image of intensities")
    if dtype.kind == "c":
        raise SourceError("voxels are complex numbers: send their magnitudes")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise SourceError(f"voxels of type {dtype.name}: convert them to float32 or float64")
    return dtype
