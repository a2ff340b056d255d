"""From the stored payload of a scan to its array of voxels."""

from typing import Any

import numpy.typing as npt

from common.domain.types import hash_voxels
from common.domain.voxel_compression import unpack
from common.errors import VoxelsDamaged
from common.store.documents import Claim

Voxels = npt.NDArray[Any]


def voxels_of(claim: Claim, payload: bytes | bytearray) -> Voxels:
    """The voxels of a scan, decompressed if need be and checked against the acknowledged hash.

    Returns:
        Array of ``scan.shape`` and ``scan.dtype``, Fortran order, read-only.

    Raises:
        VoxelsDamaged: the payload is not the voxels that were acknowledged.
    """
    data = payload
    if claim.packing is not None:
        data = unpack(payload, claim.packing, claim.scan.voxels_bytes)
    if hash_voxels(data) != claim.scan.voxels_hash:
        raise VoxelsDamaged("their hash differs from the one that was acknowledged")
    return claim.scan.array(data)
