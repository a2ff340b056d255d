"""A large scan on its way in: chunks go to the store as they come, a bounded piece in memory."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from bson import ObjectId

from common.domain.scan import BrainScan, Packing
from common.runtime.logger import AvailabilityLog
from common.store.db_manager import DBManager
from common.wire.messages import Chunk
from common.wire.scan_transfer import ChunkVerifier
from fr_hub.committer import patiently
from fr_hub.memory_budget import ByteBudget

WRITE_BYTES = 4 * 1024 * 1024
"""Chunks are written in batches of at most about this size; one fills while the one before is
being written."""


class Upload:
    """One attempt to receive a large scan, into a blob of its own."""

    def __init__(
        self,
        scan: BrainScan,
        blob: ObjectId,
        store: DBManager,
        executor: Executor,
        availability: AvailabilityLog,
        budget: ByteBudget,
        write_bytes: int = WRITE_BYTES,
        packing: Packing | None = None,
    ) -> None:
        self.scan = scan
        self.packing = packing
        self.blob = blob
        self._assembly = ChunkVerifier(scan, packing)
        self._store = store
        self._executor = executor
        self._availability = availability
        self._budget = budget
        self._write_bytes = write_bytes
        self._pieces: list[bytes | memoryview] = []
        self._held = 0
        self._first = 0
        self._writing: asyncio.Task[None] | None = None
        self._abandoned = False

    def begin(self) -> None:
        """Have it recorded, durably, before its first chunk is; the chunks come meanwhile."""
        self._writing = asyncio.create_task(self._call(self._store.uploads.begin, self.blob))

    async def add(self, chunk: Chunk) -> bool:
        """Take the next chunk; True when it was the last and all are durable.

        Raises:
            ProtocolError: it is not the next chunk, or the voxels do not have their hash.
            StoreError: MongoDB does not take it.
        """
        self._assembly.add(chunk)
        size = len(chunk.voxels)
        if not self._budget.try_take(size):
            # Others wait for memory too: give back what this upload holds before waiting, or all
            # could wait for each other.
            await self._flush()
            await self._settle()
            await self._budget.take(size)
        self._pieces.append(chunk.voxels)
        self._held += size
        if self._held >= self._write_bytes or self._assembly.complete:
            await self._flush()
        if self._assembly.complete:
            await self._settle()
        return self._assembly.complete

    async def _flush(self) -> None:
        """Begin to write what is held, when what was begun before is written."""
        if not self._pieces:
            return
        await self._settle()
        pieces, held, first = self._pieces, self._held, self._first
        self._pieces, self._held, self._first = [], 0, first + len(pieces)
        self._writing = asyncio.create_task(self._write(first, pieces, held))

    async def _settle(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            # Shielded: when this connection is cancelled the write goes on in its thread, and
            # ``abandon`` has to wait for it.
            await asyncio.shield(self._writing)
            self._writing = None

    async def _write(self, first: int, pieces: list[bytes | memoryview], held: int) -> None:
        try:
            await self._call(self._store.uploads.add_chunks, self.blob, first, pieces)
        finally:
            self._budget.give(held)

    async def _call(self, method: Callable[..., object], *arguments: object) -> None:
        loop = asyncio.get_running_loop()
        async for attempt in patiently(self._availability, lambda: self._abandoned):
            with attempt:
                await loop.run_in_executor(self._executor, method, *arguments)
        self._availability.available()

    async def abandon(self) -> None:
        """The scan did not come whole: delete its blob. What fails here a later sweep does."""
        self._abandoned = True
        if self._writing is not None:
            # Not cancelled: its thread would go on, and write after the blob was deleted.
            await asyncio.gather(self._writing, return_exceptions=True)
        self._budget.give(self._held)
        self._pieces, self._held = [], 0
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._store.uploads.abandon, self.blob)
