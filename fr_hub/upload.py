"""Receiving one large scan: its chunks are written as they come, a bounded part is in memory."""

import asyncio
import time

from bson import ObjectId

from common.domain.scan import BrainScan, Packing
from common.store.uploads import TOUCH_EVERY_S
from common.wire.messages import Chunk
from common.wire.scan_transfer import ChunkVerifier
from fr_hub.async_store import AsyncStore
from fr_hub.memory_budget import MemoryBudget

WRITE_BYTES = 4 * 1024 * 1024
"""Chunks are written in batches of about this size; one fills while the one before is being
written."""


class Upload:
    """One attempt to receive a large scan, into a new blob.

    Args:
        scan: the scan's header.
        packing: how its chunks are compressed, if they are.
        store: where the chunks go.
        memory_budget: what the chunks in memory are taken from.
        write_bytes: chunks of at least this size together are written.
    """

    def __init__(
        self,
        scan: BrainScan,
        packing: Packing | None,
        store: AsyncStore,
        memory_budget: MemoryBudget,
        write_bytes: int = WRITE_BYTES,
    ) -> None:
        self.scan = scan
        self.packing = packing
        self.blob = ObjectId()
        self._verifier = ChunkVerifier(scan, packing)
        self._store = store
        self._memory_budget = memory_budget
        self._write_bytes = write_bytes
        self._pieces: list[bytes | memoryview] = []
        self._pieces_bytes = 0
        self._first = 0
        self._writing: asyncio.Task[None] | None = None
        self._abandoned = False
        self._touched_at = time.monotonic()

    def begin(self) -> None:
        """Start recording the upload; it is durable before the first chunk is written. Chunks may
        be added meanwhile."""
        self._writing = asyncio.create_task(self._store.begin_upload(self.blob, self._is_abandoned))

    async def add(self, chunk: Chunk) -> bool:
        """Add the next chunk; True when it was the last one and all are durable.

        Raises:
            ProtocolError: the chunk is out of order, or the voxels do not match their hash.
            StoreError: MongoDB rejects a chunk.
        """
        self._verifier.add(chunk)
        size = len(chunk.voxels)
        if not self._memory_budget.try_take(size, self.scan.pacs):
            # Release what this upload holds before waiting for memory, or uploads could wait for
            # each other forever.
            await self._flush()
            await self._wait_written()
            await self._memory_budget.take(size, self.scan.pacs)
        self._pieces.append(chunk.voxels)
        self._pieces_bytes += size
        if self._pieces_bytes >= self._write_bytes or self._verifier.complete:
            await self._flush()
        if self._verifier.complete:
            await self._wait_written()
        return self._verifier.complete

    async def _flush(self) -> None:
        """Start writing the pieces in memory, once the previous write is finished."""
        if not self._pieces:
            return
        await self._wait_written()
        pieces, size, first = self._pieces, self._pieces_bytes, self._first
        self._pieces, self._pieces_bytes, self._first = [], 0, first + len(pieces)
        self._writing = asyncio.create_task(self._write(first, pieces, size))

    async def _wait_written(self) -> None:
        if self._writing is not None:
            # Shielded: if this connection is cancelled, the write continues in its thread, and
            # ``abandon`` has to wait for it.
            await asyncio.shield(self._writing)
            self._writing = None

    async def _write(self, first: int, pieces: list[bytes | memoryview], size: int) -> None:
        try:
            await self._store.add_chunks(self.blob, first, pieces, self._is_abandoned)
            if time.monotonic() - self._touched_at >= TOUCH_EVERY_S:
                self._touched_at = time.monotonic()
                await self._store.touch_upload(self.blob, self._is_abandoned)
        finally:
            self._memory_budget.release(size, self.scan.pacs)

    def _is_abandoned(self) -> bool:
        return self._abandoned

    async def abandon(self) -> None:
        """Delete the blob of a scan that was not received whole.

        Raises:
            StoreError: MongoDB did not delete it; a sweep will.
        """
        self._abandoned = True
        if self._writing is not None:
            # Not cancelled: its thread would continue, and write after the blob was deleted.
            await asyncio.gather(self._writing, return_exceptions=True)
        self._memory_budget.release(self._pieces_bytes, self.scan.pacs)
        self._pieces, self._pieces_bytes = [], 0
        await self._store.abandon_upload(self.blob)
