"""Voxels on their way, compressed: in the sender, for the wire and the store; undone in Fr-BRAIN.

A payload is a row of Blosc buffers, each of ``BLOCK_BYTES`` of voxels (the last one the rest):
bytes shuffled by the voxels' width, then LZ4. A Blosc buffer begins with 16 bytes that say how
long it is and how long what is in it (https://www.blosc.org, "Blosc chunk format"). Fr-HUB keeps
the payload as it came and needs none of this.
"""

import struct
from collections.abc import Iterator
from typing import Any

from common.domain.scan import Packing
from common.domain.types import hash_voxels
from common.errors import VoxelsDamaged

BLOCK_BYTES = 4 * 1024 * 1024
"""Voxels in one buffer: large enough for the shuffle to pay, small enough for the caches."""

WORTH = 0.9
"""A payload above this share of the voxels' bytes is not worth unpacking: raw is sent."""

_LEVEL = 1
_SHUFFLE = 1
_INNER_BYTES = 128 * 1024
"""What the codec shuffles and compresses at a time: 2 to 4 % smaller than at the size that it
chooses itself at this level, in the same time."""

_HEADER = struct.Struct("<4B3i")  # version, codec's version, flags, width; sizes in bytes
_HEADER_BYTES = _HEADER.size


def _codec() -> Any:
    from numcodecs import blosc  # 130 ms: not for those who have no large scan

    # Each caller is a thread of its own already; and the same voxels give the same payload.
    blosc.use_threads = False
    return blosc


def pack(voxels: bytes | memoryview, width: int) -> tuple[bytes, Packing] | None:
    """Compress voxels.

    Args:
        voxels: flat.
        width: bytes of one voxel.

    Returns:
        The payload and what must travel beside it; None where it is not worth it.
    """
    blosc = _codec()
    view = memoryview(voxels).cast("B")
    pieces = []
    size, limit = 0, WORTH * len(view)
    for start in range(0, len(view), BLOCK_BYTES):
        # The codec takes the width from the buffer's items.
        block = view[start : start + BLOCK_BYTES]
        piece = blosc.compress(block, b"lz4", _LEVEL, _SHUFFLE, _INNER_BYTES, typesize=width)
        size += len(piece)
        if size > limit:
            return None
        pieces.append(piece)
    payload = b"".join(pieces)
    return payload, Packing(codec="blosc", bytes=len(payload), hash=hash_voxels(payload))


def unpack(
    payload: bytes | bytearray | memoryview, packing: Packing, voxels_bytes: int
) -> bytearray:
    """Undo ``pack``; memory for ``voxels_bytes`` and no more, whatever the payload says.

    Raises:
        VoxelsDamaged: the payload is not the one that was packed.
    """
    blosc = _codec()
    # Before any of it is given to the decompressor.
    if len(payload) != packing.bytes or hash_voxels(payload) != packing.hash:
        raise VoxelsDamaged("the compressed voxels do not have the hash that was acknowledged")
    voxels = bytearray(voxels_bytes)
    out = memoryview(voxels)
    done = 0
    for buffer, size in _buffers(memoryview(payload)):
        if size != min(BLOCK_BYTES, voxels_bytes - done):
            raise VoxelsDamaged("the compressed voxels are not of the declared size")
        try:
            blosc.decompress(buffer, out[done : done + size])
        except (RuntimeError, ValueError) as error:
            raise VoxelsDamaged("the compressed voxels cannot be read") from error
        done += size
    if done != voxels_bytes:
        raise VoxelsDamaged(f"{done} of {voxels_bytes} bytes of voxels are compressed there")
    return voxels


def _buffers(payload: memoryview) -> Iterator[tuple[memoryview, int]]:
    """Each buffer of a payload, and the size of what is in it."""
    start = 0
    while start < len(payload):
        if len(payload) - start < _HEADER_BYTES:
            raise VoxelsDamaged("the compressed voxels are cut short")
        *_, size, _, length = _HEADER.unpack_from(payload, start)
        if not _HEADER_BYTES <= length <= len(payload) - start or size < 1:
            raise VoxelsDamaged("the compressed voxels contradict themselves")
        yield payload[start : start + length], size
        start += length
