"""Headers of NIfTI-1, NIfTI-2 and Analyze 7.5, parsed by nibabel and checked here.

Formats: https://nifti.nimh.nih.gov/nifti-1 and https://nifti.nimh.nih.gov/nifti-2.
"""

import logging
import math
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from nibabel.spm2analyze import Spm2AnalyzeHeader

from common.errors import SourceError
from common.formats.compression import MAGIC_BYTES, inflater_for
from common.formats.nifti.geometry import affine_of
from common.formats.nifti.layout import Layout
from common.formats.nifti.mgh import may_be_mgh, parse_mgh

HEADER_BYTES = 540
"""The size of a NIfTI-2 header; a NIfTI-1 header is shorter (348 bytes)."""

_SINGLE: tuple[Any, ...] = (Nifti1Header, Nifti2Header)
_PAIRS: tuple[Any, ...] = (Nifti1PairHeader, Nifti2PairHeader)

_AXIS_MAX = 65535  # voxels along an axis of a scan
_VOLUMES_MAX = 65535  # in one file
_INFLATED_FREE = 160 << 20
"""Bytes that any compressed file may inflate to: empty masks shrink to a thousandth."""
_RATIO_MAX = 250
"""By how much larger files may inflate. Images shrink to a half or a sixth, probability maps to a
hundredth; 2 GiB in 2 MB would take minutes to send, to nobody's use."""
_DEFLATE_RATIO = 1032
"""Deflate cannot inflate by more, so a file that declares more is truncated or malicious."""

_INTENT_TIME_SERIES = 2001
_TIME_UNITS = 0x38
_VECTOR_PARTS = (2, 3, 4, 6, 9)

_COMPLEX = "voxels are complex numbers: send their magnitudes"
_COLOURS = "voxels are RGB colours: send an image of intensities"
_REFUSED_TYPES = {
    1: "voxels of 1 bit each: convert them to uint8",
    **dict.fromkeys((32, 1792, 2048), _COMPLEX),
    **dict.fromkeys((128, 2304), _COLOURS),
    1536: "voxels of type float128: convert them to float32 or float64",
}
"""By ``datatype``."""

# nibabel has its own log handler and prints each header field that it repairs to stderr.
_silent = logging.Logger("common.formats.nifti.header", logging.CRITICAL + 1)


def parse_header(block: bytes, *, pair: bool = False) -> Layout:
    """Parse the first bytes of a file.

    Args:
        block: HEADER_BYTES bytes, fewer if the file is shorter.
        pair: whether it is the header of a .hdr/.img pair (NIfTI or Analyze 7.5).

    Raises:
        SourceError: this is not such a header, or its voxels cannot become scans.
        Exception: whatever nibabel raises for a header that is not valid.
    """
    kinds = _PAIRS if pair else _SINGLE
    kind = next((kind for kind in kinds if kind.may_contain_header(block)), None)
    analyze: Any = Spm2AnalyzeHeader
    if kind is None and pair and analyze.may_contain_header(block):
        return _parse_analyze(block)
    if kind is None and may_be_mgh(block):
        return parse_mgh(block)
    if kind is None and inflater_for(block[:MAGIC_BYTES]):
        raise SourceError("compressed twice: unpack it once, as with gunzip, and send it again")
    if kind is None:
        raise SourceError(
            "not a NIfTI file: it does not begin with a NIfTI-1 or NIfTI-2 header; copy or convert "
            "it again"
        )
    # Not through ``from_fileobj``, which reads header extensions of any declared length.
    header = kind(block[: kind.sizeof_hdr], check=False)
    if header["magic"].item() != (kind.pair_magic if pair else kind.single_magic):
        raise SourceError(
            "its header says that it is a single file, but its name says that it is half of a "
            ".hdr/.img pair: rename it to .nii"
            if pair
            else "its header says that it is half of a .hdr/.img pair, but its name says that it "
            "is a single file: rename it to .hdr, beside its .img"
        )
    # Before nibabel repairs the header: it would make up sizes, codes and dimensions.
    affine, problems = affine_of(header)
    dtype = _dtype(header)
    slope, inter = _scaling(header)
    header.check_fix(logger=_silent, error_level=40)
    shape, volumes = _shape(header)
    return Layout(
        shape=shape,
        volumes=volumes,
        dtype=dtype,
        offset=int(header.get_data_offset()) or (0 if pair else int(kind.single_vox_offset)),
        slope=slope,
        inter=inter,
        affine=affine,
        problems=problems,
    )


def _parse_analyze(block: bytes) -> Layout:
    """Analyze 7.5 has no orientation; nibabel takes SPM's origin and scale where there are any."""
    header: Any = Spm2AnalyzeHeader(  # type: ignore[no-untyped-call]
        block[: Spm2AnalyzeHeader.sizeof_hdr], check=False
    )
    dtype, known = _dtype(header), _has_sizes(header)
    header.check_fix(logger=_silent, error_level=40)
    (shape, volumes), (slope, inter) = _shape(header), header.get_slope_inter()
    matrix = np.array(header.get_best_affine(), np.float64)[:3] + 0.0
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return Layout(
        shape=shape,
        volumes=volumes,
        dtype=dtype,
        offset=int(header.get_data_offset()),
        slope=float(slope or 1.0),
        inter=float(inter or 0.0),
        affine=(x, y, z) if known and np.isfinite(matrix).all() else None,
        problems=("geometry_unknown",),
    )


def _has_sizes(header: Any) -> bool:
    sizes = header["pixdim"][1 : 1 + min(3, max(0, int(header["dim"][0])))]
    return bool(np.isfinite(sizes).all() and np.all(sizes != 0))


def check_size(layout: Layout, size: int, *, compressed: bool, endless: bool = False) -> None:
    """Check that a file of ``size`` bytes can hold what its header declares.

    Args:
        layout: what the header declares.
        size: of the file, bytes.
        compressed: whether it is compressed.
        endless: whether it may inflate more than gzip can, as bzip2 and xz.

    Raises:
        SourceError: it cannot, or it would inflate too much.
    """
    end = layout.end
    if not (compressed and endless) and end > size * (_DEFLATE_RATIO if compressed else 1):
        raise SourceError(
            f"the file is truncated: its header declares {end} bytes, "
            f"a file of {size} cannot hold them; copy it again"
        )
    if compressed and end > max(_INFLATED_FREE, size * _RATIO_MAX):
        raise SourceError(
            f"a compressed file that inflates more than {_RATIO_MAX}-fold, to {end >> 20} MiB: "
            "send it uncompressed, as .nii"
        )


def _shape(header: Any) -> tuple[tuple[int, int, int], int]:
    """The shape of a volume, and the number of volumes."""
    dims = tuple(int(length) for length in header.get_data_shape())
    axes = "x".join(map(str, dims))
    if not dims or min(dims) < 0:
        raise SourceError(
            f"the NIfTI header is not valid: axes of {axes or 'no'} voxels; export it again"
        )
    # An axis of no length beyond the third means one of 1 (nifti1_io.c): many write dim[4] = 0.
    dims = (*dims[:3], *(length or 1 for length in dims[3:]))
    if 0 in dims:
        raise SourceError(f"an empty volume: axes of {axes} voxels; export it again")
    while len(dims) > 3 and dims[-1] == 1:
        dims = dims[:-1]
    if len(dims) == 1:
        raise SourceError(f"not an image, but one row of {axes} values: send 3-D or 4-D images")
    if len(dims) == 5 and _is_time(header, dims):
        dims = (*dims[:3], dims[4])
    if len(dims) > 4:
        raise SourceError(
            f"{len(dims)}-D data ({axes}), such as vectors or matrices: send 3-D or 4-D images"
        )
    if max(dims[:3]) > _AXIS_MAX:
        raise SourceError(
            f"axes of {axes} voxels: the limit is {_AXIS_MAX} along each; send a smaller image"
        )
    i, j, k, volumes = (*dims, 1, 1)[:4]
    # Each volume becomes a scan, and a few compressed kilobytes can declare millions of them.
    if volumes > _VOLUMES_MAX:
        raise SourceError(f"{volumes} volumes in one file: the limit is {_VOLUMES_MAX}; split it")
    return (i, j, k), volumes


def _is_time(header: Any, dims: tuple[int, ...]) -> bool:
    """Whether the fifth axis, which the standard has for the parts of a vector, is one of time.

    Some converters write time there. A file that names neither an intent nor a unit of time may be
    either, so numbers of parts that vectors and tensors have are not taken for it.
    """
    if "intent_code" not in header or dims[3] != 1:
        return False
    if int(header["intent_code"]) not in (0, _INTENT_TIME_SERIES):
        return False
    named = header["intent_code"] or int(header["xyzt_units"]) & _TIME_UNITS
    return bool(named) or dims[4] not in _VECTOR_PARTS


def _dtype(header: Any) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code in _REFUSED_TYPES:
        raise SourceError(_REFUSED_TYPES[code])
    try:
        dtype: np.dtype[Any] = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V")
    if dtype.kind == "V":
        raise SourceError(f"voxels of an unknown type (datatype {code}): export again")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise SourceError(f"voxels of type {dtype.name}: convert them to float32 or float64")
    return dtype


def _scaling(header: Any) -> tuple[float, float]:
    """``scl_slope`` and ``scl_inter``: 1 and 0 if the slope is 0, which means "no scaling", or not
    a number, which SPM writes for the same."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    for name, value in (("scl_slope", slope), ("scl_inter", inter)):
        if not math.isfinite(value):
            raise SourceError(f"{name} is not a finite number: correct it, or export again")
    return slope, inter
