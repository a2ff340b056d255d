"""Reads the voxels of stored scans, in whole or in part, without holding them.

Compressed voxels are hashed before any are decompressed: a decompressor must not get what was not
acknowledged. A viewer asks for many parts of one scan, which may have gigabytes, so each process
hashes a large one again only after ``_CHECKED_S`` seconds. Others go out as they are stored.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from blake3 import blake3
from bson import ObjectId
from pydantic import ValidationError

from common.domain.scan import BrainScan, Packing
from common.domain.tenant import Tenant
from common.domain.types import Document
from common.domain.voxel_compression import unpack_part
from common.errors import VoxelsDamaged
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.tenancy import this_of

CHUNKS_AT_ONCE = 16
"""Chunks that are read together; Fr-PACS sends them in pieces of 255 KiB."""

_CHECKED_MAX = 1000
_CHECKED_S = 600.0
"""How long voxels that had the right hash are read without hashing them again, seconds."""

_SIZE: Document = {
    "$cond": [{"$eq": [{"$type": "$voxels"}, "binData"]}, {"$binarySize": "$voxels"}, 0]
}


@dataclass(frozen=True, slots=True)
class StoredVoxels:
    """The voxels of a scan, as they are stored."""

    scan: BrainScan
    inline: bytes | None = field(repr=False)
    blob: ObjectId | None
    packing: Packing | None
    chunk_bytes: int
    """Size of each chunk of the blob but the last."""

    @property
    def payload_bytes(self) -> int:
        """Bytes as stored, compressed or not."""
        return self.scan.voxels_bytes if self.packing is None else self.packing.bytes


class VoxelReader:
    """Reads voxels."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._checked: OrderedDict[str, float] = OrderedDict()

    def find(self, tenant: Tenant, key: str) -> StoredVoxels | None:
        """The voxels of a scan of the tenant; None if there is no such scan, or it has none.

        Raises:
            VoxelsDamaged: nobody can tell what they are, or their chunks are missing.
        """
        document = self._document(tenant, key)
        if document is None:
            return None
        inline, blob = document.get("voxels"), document.get("blob")
        if not isinstance(inline, bytes) and not isinstance(blob, ObjectId):
            return None
        try:
            scan = BrainScan.stored(document.get("scan"))
            stored = document.get("packing")
            packing = None if stored is None else Packing.model_validate(stored)
        except ValidationError:
            raise VoxelsDamaged("the header of the scan is damaged") from None
        if isinstance(blob, ObjectId):
            size = self._chunk_bytes(blob)
            return StoredVoxels(scan, None, blob, packing, size)
        return StoredVoxels(scan, inline, None, packing, 0)

    def read(self, voxels: StoredVoxels, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of the voxels from ``start`` to before ``end``, decompressed, in pieces.

        Raises:
            VoxelsDamaged: while it is read: they are not those that were acknowledged, or are gone.
        """
        size = voxels.scan.voxels_bytes
        end = size if end is None else end
        if voxels.packing is None:
            yield from self._payload(voxels, start, end)
            return
        self._check(voxels, voxels.packing)

        def read(first: int, last: int) -> bytes:
            return b"".join(self._payload(voxels, first, last))

        yield from unpack_part(read, voxels.packing, size, start, end)

    def _check(self, voxels: StoredVoxels, packing: Packing) -> None:
        name = f"{voxels.blob} {packing.hash}"
        checked_at = None if voxels.blob is None else self._checked.get(name)
        now = time.monotonic()
        if checked_at is not None and now - checked_at < _CHECKED_S:
            return
        hashed = blake3()
        for piece in self._payload(voxels, 0, packing.bytes):
            hashed.update(piece)
        if hashed.hexdigest() != packing.hash:
            raise VoxelsDamaged("the compressed voxels do not have the hash that was acknowledged")
        self._checked[name] = now
        self._checked.move_to_end(name)
        while len(self._checked) > _CHECKED_MAX:
            self._checked.popitem(last=False)

    def _payload(self, voxels: StoredVoxels, start: int, end: int) -> Iterator[bytes]:
        if voxels.inline is not None:
            if len(voxels.inline) != voxels.payload_bytes:
                raise VoxelsDamaged("the stored voxels have the wrong size")
            yield voxels.inline[start:end]
            return
        size = voxels.chunk_bytes
        first, last = start // size, -(-end // size)
        for n in range(first, last, CHUNKS_AT_ONCE):
            many = min(CHUNKS_AT_ONCE, last - n)
            for number, piece in self._chunks(voxels, n, many):
                at = number * size
                yield piece[max(0, start - at) : end - at]

    def _chunks(self, voxels: StoredVoxels, first: int, count: int) -> list[tuple[int, bytes]]:
        found = self._find_chunks(voxels.blob, first, count)
        if len(found) != count:
            raise VoxelsDamaged("stored chunks are missing")
        pieces = []
        for n, chunk in enumerate(found, first):
            piece = chunk.get("voxels")
            expected = min(voxels.chunk_bytes, voxels.payload_bytes - n * voxels.chunk_bytes)
            if chunk["_id"].get("n") != n or not isinstance(piece, bytes) or len(piece) != expected:
                raise VoxelsDamaged(f"stored chunk {n} is missing or has the wrong size")
            pieces.append((n, piece))
        return pieces

    @translated
    def _document(self, tenant: Tenant, key: str) -> Document | None:
        fields = {"scan": 1, "voxels": 1, "blob": 1, "packing": 1}
        found = find(self._db.scans, this_of(tenant, key), fields, hint=BY_ID)
        return found[0] if found else None

    @translated
    def _chunk_bytes(self, blob: ObjectId) -> int:
        first = {"_id": {"blob": blob, "n": 0}}
        found = find(self._db.chunks, first, {"size": _SIZE})
        size = int(found[0]["size"]) if found else 0
        if not size:
            raise VoxelsDamaged("stored chunks are missing")
        return size

    @translated
    def _find_chunks(self, blob: ObjectId | None, first: int, count: int) -> list[Document]:
        these = {"$gte": {"blob": blob, "n": first}, "$lt": {"blob": blob, "n": first + count}}
        return find(self._db.chunks, {"_id": these}, sort=[("_id", 1)])
