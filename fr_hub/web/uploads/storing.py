"""Stores a scan that was read from a file, exactly as Fr-HUB stores one that a Fr-PACS sends.

Small voxels are in the scan's document. Large ones are compressed block by block and written as
chunks meanwhile, so that no more than some megabytes of them are in this process' own memory.
"""

import time
from collections.abc import Iterable, Iterator

from blake3 import blake3
from bson import ObjectId

from common.domain.scan import BrainScan, Packing
from common.domain.voxel_compression import BLOCK_BYTES, MAX_RATIO, packed_blocks
from common.domain.voxel_sizes import CHUNK_BYTES, INLINE_VOXELS_MAX
from common.errors import UploadLost
from common.scan_files.tasks import LoadedScan
from common.store.documents import Added, NewScan
from common.store.unit_parts import WebStore
from common.store.uploads import TOUCH_EVERY_S

_WRITE_CHUNKS = 16
"""Chunks in one write, 4 MiB."""

_TRIES = 2
"""A sweep removes an upload that took an hour too long: then it is stored again, once."""


class ScanWriter:
    """Stores scans of one user.

    What it notes in the audit trail must be durable before anyone is told that a scan is stored.

    Args:
        store: where they go.
        by: the user's name, for the audit trail.
    """

    def __init__(self, store: WebStore, by: str) -> None:
        self._store = store
        self._by = by

    def put(self, loaded: LoadedScan) -> Added:
        """Store a scan, durably. Repeatable.

        Raises:
            StoreError: it is not known whether it is stored; repeat it.
        """
        scan = loaded.scan
        if scan.voxels_bytes <= INLINE_VOXELS_MAX:
            new = NewScan(scan, voxels=bytes(loaded.voxels))
            return self._store.scans.add([new], self._by)[0]
        if (known := self._store.scans.known(scan, self._by)) is not None:
            return known
        for left in reversed(range(_TRIES)):
            try:
                return self._put_large(scan, memoryview(loaded.voxels).cast("B"))
            except UploadLost:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _put_large(self, scan: BrainScan, voxels: memoryview) -> Added:
        blob, packing = self._write_packed(scan, voxels)
        if packing is None:
            blob = self._store.uploads.begin()
            self._write(blob, _slices(voxels))
        [outcome] = self._store.scans.add([NewScan(scan, blob=blob, packing=packing)], self._by)
        if outcome is Added.STORED:
            self._store.uploads.end(scan.key, blob, scan.pacs, self._by)
        else:
            self._store.uploads.abandon(blob)
        return outcome

    def _write_packed(self, scan: BrainScan, voxels: memoryview) -> tuple[ObjectId, Packing | None]:
        """Write the voxels compressed; without a packing, compression saves too little, and nothing
        is left of the blob."""
        blob = self._store.uploads.begin()
        digest, size, limit = blake3(), 0, int(MAX_RATIO * len(voxels))

        def counted() -> Iterator[bytes]:
            nonlocal size
            for block in packed_blocks(voxels, scan.voxel_bytes):
                size += len(block)
                if size > limit:
                    return
                digest.update(block)
                yield block

        self._write(blob, counted())
        if size > limit:
            self._store.uploads.abandon(blob)
            return blob, None
        return blob, Packing(codec="blosc", bytes=size, hash=digest.hexdigest())

    def _write(self, blob: ObjectId, data: Iterable[bytes | memoryview]) -> None:
        """Write chunks as they fill up."""
        first, touched_at = 0, time.monotonic()
        for pieces in _batches(data):
            self._store.uploads.add_chunks(blob, first, pieces)
            first += len(pieces)
            if time.monotonic() - touched_at >= TOUCH_EVERY_S:
                touched_at = time.monotonic()
                self._store.uploads.touch(blob)


def _slices(voxels: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(voxels), BLOCK_BYTES):
        yield voxels[start : start + BLOCK_BYTES]


def _batches(data: Iterable[bytes | memoryview]) -> Iterator[list[bytes]]:
    """Cut what comes into chunks, some of them together."""
    batch: list[bytes] = []
    rest = bytearray()
    for block in data:
        rest += block
        while len(rest) >= CHUNK_BYTES:
            batch.append(bytes(rest[:CHUNK_BYTES]))
            del rest[:CHUNK_BYTES]
            if len(batch) == _WRITE_CHUNKS:
                yield batch
                batch = []
    if rest:
        batch.append(bytes(rest))
    if batch:
        yield batch
