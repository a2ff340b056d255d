"""Compression of voxels: the sender compresses, Fr-BRAIN decompresses.

A payload is a sequence of Blosc buffers, each of ``BLOCK_BYTES`` of voxels (the last one of the
rest): bytes shuffled by the voxels' width, then LZ4. A Blosc buffer begins with a header of 16
bytes, which has its compressed and its decompressed size (https://www.blosc.org, "Blosc chunk
format"). Fr-HUB stores the payload unchanged and needs none of this.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

from common.domain.scan import Packing
from common.domain.types import hash_voxels
from common.errors import VoxelsDamaged

BLOCK_BYTES = 4 * 1024 * 1024
"""Bytes of voxels in one buffer: enough for the shuffle to pay, small enough for the caches."""

MAX_RATIO = 0.9
"""A payload larger than this share of the voxels' bytes is not used: the voxels are sent raw."""

_LEVEL = 1
_SHUFFLE = 1
_INNER_BYTES = 128 * 1024
"""Bytes that the codec shuffles and compresses at a time. The payload is 2 to 4 % smaller than with
the codec's own choice at this level, in the same time."""

_HEADER = struct.Struct("<4B3i")  # version, codec's version, flags, width; sizes in bytes
_HEADER_BYTES = _HEADER.size


def _codec() -> Any:
    from numcodecs import blosc  # takes 130 ms: only processes with large scans import it

    # Callers run in threads already, and one thread gives the same payload for the same voxels.
    blosc.use_threads = False
    return blosc


def pack(voxels: bytes | memoryview, width: int) -> tuple[bytes, Packing] | None:
    """Compress voxels.

    Args:
        voxels: flat array of voxels.
        width: size of one voxel, bytes.

    Returns:
        The payload and its description; None if compression saves too little.
    """
    pieces = []
    size, limit = 0, MAX_RATIO * memoryview(voxels).nbytes
    for piece in packed_blocks(voxels, width):
        size += len(piece)
        if size > limit:
            return None
        pieces.append(piece)
    payload = b"".join(pieces)
    return payload, Packing(codec="blosc", bytes=len(payload), hash=hash_voxels(payload))


def packed_blocks(voxels: bytes | memoryview, width: int, codec: bytes = b"lz4") -> Iterator[bytes]:
    """The buffers of the payload one by one, whatever they save: ``pack`` without holding them.

    Args:
        voxels: flat array of voxels.
        width: size of one voxel, bytes.
        codec: Blosc's name of the codec, which each buffer names: ``unpack_part`` reads all.
    """
    blosc = _codec()
    view = memoryview(voxels).cast("B")
    for start in range(0, len(view), BLOCK_BYTES):
        # The codec takes the width from the buffer's items.
        block = view[start : start + BLOCK_BYTES]
        yield blosc.compress(block, codec, _LEVEL, _SHUFFLE, _INNER_BYTES, typesize=width)


def most_packed(size: int) -> int:
    """The largest payload of so many bytes of voxels: Blosc stores as they are those that it cannot
    make smaller."""
    return size + _HEADER_BYTES * -(-size // BLOCK_BYTES)


def unpack(
    payload: bytes | bytearray | memoryview, packing: Packing, voxels_bytes: int
) -> bytearray:
    """Undo ``pack``. Allocates ``voxels_bytes`` bytes and no more, whatever the payload declares.

    Raises:
        VoxelsDamaged: the payload is not the one that was packed.
    """
    blosc = _codec()
    # Checked before the decompressor sees any of it.
    if len(payload) != packing.bytes or hash_voxels(payload) != packing.hash:
        raise VoxelsDamaged("the compressed voxels do not have the hash that was acknowledged")
    voxels = bytearray(voxels_bytes)
    out = memoryview(voxels)
    done = 0
    for buffer, size in _buffers(memoryview(payload)):
        if size != min(BLOCK_BYTES, voxels_bytes - done):
            raise VoxelsDamaged("the compressed voxels do not have the declared size")
        try:
            blosc.decompress(buffer, out[done : done + size])
        except (RuntimeError, ValueError) as error:
            raise VoxelsDamaged("the compressed voxels cannot be decompressed") from error
        done += size
    if done != voxels_bytes:
        raise VoxelsDamaged(f"the payload has only {done} of {voxels_bytes} bytes of voxels")
    return voxels


def unpack_part(
    read: Callable[[int, int], bytes], packing: Packing, voxels_bytes: int, start: int, end: int
) -> Iterator[bytes]:
    """The voxel bytes from ``start`` to before ``end``, buffer by buffer. Reads the headers of the
    buffers before them, and no more; the caller has checked the hash of the payload.

    Args:
        read: the bytes of the payload from a position to before another.
        packing: of the payload.
        voxels_bytes: bytes of all voxels.
        start: first byte.
        end: one after the last byte; ``voxels_bytes`` at most.

    Raises:
        VoxelsDamaged: the payload is not one that was packed.
    """
    blosc = _codec()
    at = done = 0
    while done < end:
        if packing.bytes - at < _HEADER_BYTES:
            raise VoxelsDamaged("the compressed voxels are truncated")
        *_, size, _, length = _HEADER.unpack(read(at, at + _HEADER_BYTES))
        if size != min(BLOCK_BYTES, voxels_bytes - done):
            raise VoxelsDamaged("the compressed voxels do not have the declared size")
        if not _HEADER_BYTES <= length <= packing.bytes - at:
            raise VoxelsDamaged("the compressed voxels have an invalid header")
        if done + size > start:
            block = bytearray(size)
            try:
                blosc.decompress(read(at, at + length), block)
            except (RuntimeError, ValueError) as error:
                raise VoxelsDamaged("the compressed voxels cannot be decompressed") from error
            yield bytes(memoryview(block)[max(0, start - done) : end - done])
        at += length
        done += size


def _buffers(payload: memoryview) -> Iterator[tuple[memoryview, int]]:
    """Each buffer of a payload, with its decompressed size."""
    start = 0
    while start < len(payload):
        if len(payload) - start < _HEADER_BYTES:
            raise VoxelsDamaged("the compressed voxels are truncated")
        *_, size, _, length = _HEADER.unpack_from(payload, start)
        if not _HEADER_BYTES <= length <= len(payload) - start or size < 1:
            raise VoxelsDamaged("the compressed voxels have an invalid header")
        yield payload[start : start + length], size
        start += length
