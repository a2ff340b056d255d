"""A large scan on its way into a real MongoDB: in bounded memory, whole or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from bson import ObjectId

from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from common.errors import ProtocolError
from common.store.collections import Collection
from common.wire.constants import CHUNK_BYTES
from common.wire.messages import Chunk
from common.wire.scan_transfer import scan_messages
from fr_hub.memory_budget import MemoryBudget
from fr_hub.upload import Upload
from tests.factories import chunks_of, inside, make_scan
from tests.fr_hub.stores import GatedStore, gated_hub

BUDGET = 64 * CHUNK_BYTES


def large(chunks: int) -> tuple[BrainScan, list[Chunk]]:
    """A scan of so many chunks, the last one short."""
    size = (chunks - 1) * CHUNK_BYTES + 1000
    voxels = (bytes(range(251)) * (size // 251 + 1))[:size]
    scan, _ = make_scan(voxels=voxels, shape=(40, size // 40))
    return scan, [part for part in scan_messages(scan, voxels) if isinstance(part, Chunk)]


Begin = Callable[..., Upload]


def run(store: GatedStore, test: Callable[[Begin, MemoryBudget], Awaitable[None]]) -> None:
    """Run a test that begins uploads, and see that the budget is whole again after it."""

    async def main() -> None:
        budget = MemoryBudget(BUDGET)
        with gated_hub(store) as hub:

            def begin(scan: BrainScan, *more: Any, of: MemoryBudget = budget) -> Upload:
                upload = Upload(scan, None, hub.store, of, *more)
                upload.begin()
                return upload

            async with asyncio.timeout(30):
                await test(begin, budget)
        assert budget.free == BUDGET

    asyncio.run(main())


def stored(store: GatedStore, blob: ObjectId) -> bytes:
    """What the store has of a blob, in order."""
    chunks = inside(store, Collection.CHUNKS).find({"_id.blob": blob}, sort=[("_id.n", 1)])
    return b"".join(bytes(chunk["voxels"]) for chunk in chunks)


def test_all_chunks_are_in_the_store_when_the_last_one_is_taken(gated_store: GatedStore) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(7)
        upload = begin(scan)
        assert [await upload.add(chunk) for chunk in chunks] == [False] * 6 + [True]
        assert hash_voxels(stored(gated_store, upload.blob)) == scan.voxels_hash
        assert chunks_of(gated_store, upload.blob) == 7

    run(gated_store, test)


def test_chunks_are_written_some_at_a_time_while_others_come(gated_store: GatedStore) -> None:
    async def test(begin: Begin, budget: MemoryBudget) -> None:
        scan, chunks = large(10)
        upload = begin(scan, 3 * CHUNK_BYTES)
        gated_store.gate.clear()
        for chunk in chunks[:5]:
            await upload.add(chunk)  # none of these waits for the store
        assert budget.free == BUDGET - 5 * CHUNK_BYTES
        gated_store.gate.set()
        for chunk in chunks[5:]:
            await upload.add(chunk)
        assert gated_store.chunk_writes == [(0, 3), (3, 3), (6, 3), (9, 1)]

    run(gated_store, test)


def test_chunks_come_while_the_upload_is_recorded_and_are_written_after_that(
    gated_store: GatedStore,
) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(3)
        gated_store.upload_gate.clear()
        upload = begin(scan, 2 * CHUNK_BYTES)
        await upload.add(chunks[0])
        second = asyncio.create_task(upload.add(chunks[1]))
        done, _pending = await asyncio.wait([second], timeout=0.2)
        assert not done
        assert gated_store.chunk_writes == []
        gated_store.upload_gate.set()
        await second
        assert await upload.add(chunks[2])
        assert inside(gated_store, Collection.UPLOADS).find_one({"_id": upload.blob}) is not None

    run(gated_store, test)


def test_a_chunk_too_many_in_memory_waits_for_the_store(gated_store: GatedStore) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(6)
        upload = begin(scan, CHUNK_BYTES)
        gated_store.gate.clear()
        await upload.add(chunks[0])  # begins to be written
        second = asyncio.create_task(upload.add(chunks[1]))
        done, _pending = await asyncio.wait([second], timeout=0.2)
        assert not done
        gated_store.gate.set()
        await second
        for chunk in chunks[2:]:
            await upload.add(chunk)

    run(gated_store, test)


def test_a_wrong_chunk_is_refused(gated_store: GatedStore) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(3)
        upload = begin(scan)
        await upload.add(chunks[0])
        with pytest.raises(ProtocolError, match="chunk 2 arrived where chunk 1 was expected"):
            await upload.add(chunks[2])
        await upload.abandon()

    run(gated_store, test)


def test_voxels_without_their_hash_are_refused_at_the_last_chunk(gated_store: GatedStore) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(2)
        upload = begin(scan)
        await upload.add(Chunk(scan.scan_id, 0, bytes(CHUNK_BYTES)))
        with pytest.raises(ProtocolError, match="hash"):
            await upload.add(chunks[1])
        await upload.abandon()
        assert chunks_of(gated_store, upload.blob) == 0

    run(gated_store, test)


def test_what_is_abandoned_leaves_nothing_behind(gated_store: GatedStore) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(8)
        upload = begin(scan, 2 * CHUNK_BYTES)
        for chunk in chunks[:5]:
            await upload.add(chunk)
        await upload.abandon()
        assert chunks_of(gated_store, upload.blob) == 0
        assert inside(gated_store, Collection.UPLOADS).count_documents({}) == 0

    run(gated_store, test)


def test_what_is_abandoned_while_it_is_written_leaves_nothing_behind(
    gated_store: GatedStore,
) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(8)
        upload = begin(scan, 2 * CHUNK_BYTES)
        gated_store.gate.clear()
        for chunk in chunks[:3]:
            await upload.add(chunk)
        assert await asyncio.to_thread(gated_store.at_work.acquire, timeout=10)
        abandoning = asyncio.create_task(upload.abandon())
        await asyncio.wait([abandoning], timeout=0.1)
        gated_store.gate.set()
        await abandoning
        nothing_is_left(gated_store, upload)

    run(gated_store, test)


def test_a_connection_that_is_cancelled_while_it_waits_for_a_write_leaves_nothing_behind(
    gated_store: GatedStore,
) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        scan, chunks = large(8)
        upload = begin(scan, CHUNK_BYTES)

        async def receive() -> None:
            try:
                for chunk in chunks:
                    await upload.add(chunk)
            finally:
                await upload.abandon()

        gated_store.gate.clear()
        receiving = asyncio.create_task(receive())
        assert await asyncio.to_thread(gated_store.at_work.acquire, timeout=10)
        receiving.cancel()
        await asyncio.wait([receiving], timeout=0.1)
        gated_store.gate.set()
        with suppress(asyncio.CancelledError):
            await receiving
        nothing_is_left(gated_store, upload)

    run(gated_store, test)


def nothing_is_left(store: GatedStore, upload: Upload) -> None:
    """The write that was under way is through, and there is no trace of it."""
    assert store.written.acquire(timeout=10)
    assert chunks_of(store, upload.blob) == 0
    assert inside(store, Collection.UPLOADS).count_documents({}) == 0


def test_uploads_that_share_too_little_memory_do_not_wait_for_each_other_for_ever(
    gated_store: GatedStore,
) -> None:
    async def test(begin: Begin, _: MemoryBudget) -> None:
        little = MemoryBudget(2 * CHUNK_BYTES)

        async def send() -> None:
            scan, chunks = large(6)
            upload = begin(scan, 4 * CHUNK_BYTES, of=little)
            for chunk in chunks:
                await upload.add(chunk)
            assert hash_voxels(stored(gated_store, upload.blob)) == scan.voxels_hash

        await asyncio.gather(*(send() for _ in range(6)))
        assert little.free == 2 * CHUNK_BYTES

    run(gated_store, test)
