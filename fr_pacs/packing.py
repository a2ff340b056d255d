"""Compression of large scans before they are sent."""

from dataclasses import replace

from common.domain.voxel_compression import pack
from common.wire.constants import INLINE_VOXELS_MAX
from fr_pacs.sources.base import LoadedScan


def packed(loaded: LoadedScan) -> LoadedScan:
    """Compress the voxels of a large scan (Blosc) if that makes them smaller.

    The compression runs in C without Python's lock, so other threads send meanwhile. Scans whose
    voxels fit into the scan message are returned unchanged.
    """
    scan = loaded.scan
    if scan.voxels_bytes <= INLINE_VOXELS_MAX:
        return loaded
    result = pack(loaded.voxels, scan.voxel_bytes)
    return loaded if result is None else replace(loaded, voxels=result[0], packing=result[1])
