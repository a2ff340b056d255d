"""Headers of FreeSurfer's images (``.mgh``, ``.mgz``), parsed by nibabel.

Format: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat. All numbers are big-endian.
"""

from typing import Any

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader

from common.domain.affine import Affine
from common.errors import SourceError
from common.formats.nifti.geometry import check_usable
from common.formats.nifti.layout import Layout

_VERSION = b"\0\0\0\1"
OFFSET = 284
_GOOD_RAS = slice(28, 30)
_AXIS_MAX = 65535
_TYPES = {0: "u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}


def may_be_mgh(block: bytes) -> bool:
    """Whether a file may begin with such a header: its first four bytes are its version."""
    return block.startswith(_VERSION)


def parse_mgh(block: bytes) -> Layout:
    """Parse the first bytes of a file.

    Args:
        block: 284 bytes or more.

    Raises:
        SourceError: its voxels cannot become scans.
        Exception: whatever nibabel raises for a header that is not valid.
    """
    if len(block) < OFFSET:
        raise SourceError("the file is truncated before its voxels: copy it again")
    header: Any = MGHHeader(block[:OFFSET], check=False)  # type: ignore[no-untyped-call]
    i, j, k, volumes = (int(length) for length in header["dims"])
    axes = f"{i}x{j}x{k}x{volumes}"
    if min(i, j, k, volumes) < 1:
        raise SourceError(f"an empty volume: axes of {axes} voxels; export it again")
    if max(i, j, k, volumes) > _AXIS_MAX:
        raise SourceError(
            f"axes of {axes} voxels: the limit is {_AXIS_MAX} along each; send a smaller image"
        )
    code = int(header["type"])
    if code not in _TYPES:
        raise SourceError(f"voxels of an unknown type ({code}): convert the image to NIfTI")
    # nibabel has made a geometry up by now where there is none.
    is_placed = block[_GOOD_RAS] == b"\0\1"
    affine, problems = _affine(header) if is_placed else (None, ("geometry_unknown",))
    return Layout(
        shape=(i, j, k),
        volumes=volumes,
        dtype=np.dtype(_TYPES[code]),
        offset=OFFSET,
        slope=1.0,
        inter=0.0,
        affine=affine,
        problems=problems,
    )


def _affine(header: Any) -> tuple[Affine | None, tuple[str, ...]]:
    matrix = np.array(header.get_affine(), np.float64)[:3] + 0.0
    check_usable(matrix)
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return (x, y, z), ()
