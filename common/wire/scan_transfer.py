"""A scan as messages, and the checks of voxels and label maps on arrival."""

from collections import deque
from collections.abc import Iterator, Sequence

from blake3 import blake3

from common.domain.labels_header import LabelsHeader
from common.domain.scan import BrainScan, Packing
from common.errors import ProtocolError, Refusal
from common.wire.constants import CHUNK_BYTES, INLINE_VOXELS_MAX
from common.wire.messages import Chunk, Message, Scan


class PieceVerifier:
    """Checks chunks as they arrive: their order, sizes and hashes. It keeps none of them.

    Args:
        scan_id: of the scan that they are about.
        parts: what they have, one part after another: the size of each in bytes, and its BLAKE3.
        what: what the chunks are, for people.

    Raises (from ``add``):
        ProtocolError: a chunk is missing, repeated or of the wrong size, or a hash differs.
    """

    def __init__(self, scan_id: str, parts: Sequence[tuple[int, str]], what: str) -> None:
        self._scan_id = scan_id
        self._parts = deque(parts)
        self._what = what
        self._left = sum(size for size, _ in parts)
        self.chunks = -(-self._left // CHUNK_BYTES)
        self._next = 0
        self._hashed = 0  # bytes of the first part
        self._hasher = blake3()

    @property
    def complete(self) -> bool:
        """Whether all chunks have arrived."""
        return self._next == self.chunks

    def add(self, chunk: Chunk) -> None:
        """Check the next chunk."""
        if chunk.scan_id != self._scan_id:
            raise _wrong(
                "a chunk of another scan arrived: finish those of one scan before the next"
            )
        if self.complete:
            raise _wrong(f"chunk {chunk.n} arrived after the last one")
        if chunk.n != self._next:
            raise _wrong(f"chunk {chunk.n} arrived where chunk {self._next} was expected")
        expected = min(CHUNK_BYTES, self._left)
        if len(chunk.voxels) != expected:
            raise _wrong(f"chunk {chunk.n} has {len(chunk.voxels)} bytes, not {expected}")
        self._next += 1
        self._left -= expected
        self._hash(memoryview(chunk.voxels))

    def _hash(self, piece: memoryview) -> None:
        while piece:
            size, wanted = self._parts[0]
            own = piece[: size - self._hashed]
            self._hasher.update(own)
            self._hashed += len(own)
            piece = piece[len(own) :]
            if self._hashed < size:
                return
            if self._hasher.hexdigest() != wanted:
                raise _wrong_hash(self._what)
            self._parts.popleft()
            self._hashed, self._hasher = 0, blake3()


class ChunkVerifier(PieceVerifier):
    """Checks the chunks of a large scan.

    Args:
        scan: the header.
        packing: how the chunks are compressed; None: they are not.
    """

    def __init__(self, scan: BrainScan, packing: Packing | None = None) -> None:
        self.scan = scan
        # Of the bytes that travel: whether they decompress to the scan's voxels is checked by
        # Fr-BRAIN, which decompresses them anyway.
        one = (scan.voxels_bytes, scan.voxels_hash)
        part = one if packing is None else (packing.bytes, packing.hash)
        super().__init__(scan.scan_id, [part], "voxels")


class LabelsVerifier(PieceVerifier):
    """Checks the chunks of the label maps of a report.

    Args:
        header: what came before them.
    """

    def __init__(self, header: LabelsHeader) -> None:
        self.header = header
        parts = [(one.packing.bytes, one.packing.hash) for one in header.maps]
        super().__init__(header.scan_id, parts, "label maps")


def check_inline(message: Scan) -> None:
    """Check the hash of a small scan's voxels.

    Raises:
        ProtocolError: it is not the declared one.
    """
    if blake3(message.voxels or b"").hexdigest() != message.scan.voxels_hash:
        raise _wrong_hash()


def _wrong(reason: str) -> ProtocolError:
    return ProtocolError(Refusal.CHUNKS, reason)


def _wrong_hash(what: str = "voxels") -> ProtocolError:
    return ProtocolError(
        Refusal.HASH, f"the {what} do not have the declared hash: they changed in transit"
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
