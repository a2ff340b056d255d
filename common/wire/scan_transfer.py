"""A scan as messages, and the checks of its voxels on arrival."""

from collections.abc import Iterator

from blake3 import blake3

from common.domain.scan import BrainScan, Packing
from common.errors import ProtocolError, Refusal
from common.wire.constants import CHUNK_BYTES, INLINE_VOXELS_MAX
from common.wire.messages import Chunk, Message, Scan


class ChunkVerifier:
    """Checks the chunks of a large scan: their order, sizes and hash. It keeps no voxels.

    Args:
        scan: the header.
        packing: how the chunks are compressed; None: they are not.

    Raises (from ``add``):
        ProtocolError: a chunk is missing, repeated or of the wrong size, or the hash differs.
    """

    def __init__(self, scan: BrainScan, packing: Packing | None = None) -> None:
        self.scan = scan
        size = scan.voxels_bytes if packing is None else packing.bytes
        self.chunks = -(-size // CHUNK_BYTES)
        self._next = 0
        self._left = size
        # Of the bytes that travel: whether they decompress to the scan's voxels is checked by
        # Fr-BRAIN, which decompresses them anyway.
        self._hash = scan.voxels_hash if packing is None else packing.hash
        self._hasher = blake3()

    @property
    def complete(self) -> bool:
        """Whether all chunks have arrived."""
        return self._next == self.chunks

    def add(self, chunk: Chunk) -> None:
        """Check the next chunk."""
        if chunk.scan_id != self.scan.scan_id:
            raise _wrong("a chunk of another scan arrived: finish one large scan before the next")
        if self.complete:
            raise _wrong(f"chunk {chunk.n} arrived after the last one")
        if chunk.n != self._next:
            raise _wrong(f"chunk {chunk.n} arrived where chunk {self._next} was expected")
        expected = min(CHUNK_BYTES, self._left)
        if len(chunk.voxels) != expected:
            raise _wrong(f"chunk {chunk.n} has {len(chunk.voxels)} bytes, not {expected}")
        self._hasher.update(chunk.voxels)
        self._next += 1
        self._left -= expected
        if self.complete and self._hasher.hexdigest() != self._hash:
            raise _wrong_hash()


def check_inline(message: Scan) -> None:
    """Check the hash of a small scan's voxels.

    Raises:
        ProtocolError: it is not the declared one.
    """
    if blake3(message.voxels or b"").hexdigest() != message.scan.voxels_hash:
        raise _wrong_hash()


def _wrong(reason: str) -> ProtocolError:
    return ProtocolError(Refusal.CHUNKS, reason)


def _wrong_hash() -> ProtocolError:
    return ProtocolError(
        Refusal.HASH, "the voxels do not have the declared hash: they changed on their way"
    )


def scan_messages(
    scan: BrainScan, voxels: bytes | memoryview, packing: Packing | None = None
) -> Iterator[Message]:
    """The messages that carry a scan, made one at a time.

    Args:
        scan: its header.
        voxels: flat, ``scan.voxels_bytes`` bytes; or the payload that ``packing`` describes.
        packing: how a large scan's voxels are compressed.
    """
    if scan.voxels_bytes <= INLINE_VOXELS_MAX:
        yield Scan(scan, voxels)
        return
    yield Scan(scan, packing=packing)
    view = memoryview(voxels)
    for n, start in enumerate(range(0, len(view), CHUNK_BYTES)):
        yield Chunk(scan.scan_id, n, view[start : start + CHUNK_BYTES])
