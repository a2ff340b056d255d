"""From the stored payload of a scan to its array of voxels."""

from typing import Any

import numpy.typing as npt

from common.domain.types import hash_voxels
from common.domain.voxel_compression import unpack
from common.errors import VoxelsDamaged
from common.store.documents import Claim

Voxels = npt.NDArray[Any]


def voxels_of(claim: Claim, payload: bytes | bytearray) -> Voxels:
    """The voxels of a scan, decompressed if need be. The caller checks them (``checked_hash``).

    Returns:
        Array of ``scan.shape`` and ``scan.dtype``, Fortran order, read-only.

    Raises:
        VoxelsDamaged: the payload cannot be decompressed or has the wrong size.
    """
    data = payload
    if claim.packing is not None:
        data = unpack(payload, claim.packing, claim.scan.voxels_bytes)
    return claim.scan.array(data)


def checked_hash(claim: Claim, voxels: Voxels) -> str:
    """The hash of exactly these voxels: what an analyzer is given, and its report names.

    Raises:
        VoxelsDamaged: they are not the voxels that were acknowledged.
    """
    found = hash_voxels(voxels.reshape(-1, order="F").view("uint8").data)
    if found != claim.scan.voxels_hash:
        raise VoxelsDamaged("their hash differs from the one that was acknowledged")
    return found
