"""Who does not take what comes holds up its sender; what came is not lost by it."""

import asyncio
import contextlib

from common.errors import PeerAway
from common.wire.async_connection import AsyncChannel
from common.wire.constants import CHUNK_BYTES
from common.wire.messages import Chunk
from tests.common.wire.async_peers import connected, greet_back, run, serving

MOST = 400
"""Chunks, of which the buffers of both ends' sockets hold a tenth at most."""


def test_a_peer_is_held_up_while_nobody_takes_what_it_sends() -> None:
    async def test() -> None:
        listen = asyncio.Event()
        taken: asyncio.Queue[object] = asyncio.Queue()

        async def handle(channel: AsyncChannel) -> None:
            await greet_back(channel)
            await listen.wait()
            with contextlib.suppress(PeerAway):
                while True:
                    taken.put_nowait(await channel.receive())

        async with serving(handle) as port, connected(port) as channel:
            await channel.greet("pacs-1")
            sent = 0
            sending: asyncio.Task[None] | None = None
            while sent < MOST:
                sending = asyncio.create_task(channel.send(Chunk("a", sent, bytes(CHUNK_BYTES))))
                sent += 1
                if not (await asyncio.wait({sending}, timeout=0.5))[0]:
                    break
            assert sent < MOST
            listen.set()
            assert sending is not None
            await sending
            for n in range(sent):
                event = await taken.get()
                assert isinstance(event, Chunk)
                assert event.n == n

    run(test())


def test_a_message_in_pieces_comes_whole_and_those_behind_it_too() -> None:
    async def test() -> None:
        taken: asyncio.Queue[object] = asyncio.Queue()

        async def handle(channel: AsyncChannel) -> None:
            await greet_back(channel)
            for _ in range(4):
                taken.put_nowait(await channel.receive())

        said = [Chunk("a", n, bytes([n]) * size) for n, size in enumerate((CHUNK_BYTES, 1, 70_000))]
        async with serving(handle) as port, connected(port) as channel:
            await channel.greet("pacs-1")
            await channel.send(*said)
            await channel.send(Chunk("a", 3, b"last"))
            for chunk in (*said, Chunk("a", 3, b"last")):
                assert await taken.get() == chunk

    run(test())
