"""How an asyncio channel ends: silence, pings, closing, refusals."""

import asyncio
import contextlib
import time

import pytest

from common.errors import PeerAway, ProtocolError, Refusal
from common.wire import async_connection as transport_async
from common.wire.async_connection import AsyncChannel
from common.wire.frames import encode
from common.wire.messages import Nack, Ping
from tests.common.wire.async_peers import (
    HELLO,
    RECEIVER,
    WELCOME,
    connected,
    greet_back,
    keep_on,
    run,
    serving,
    to_bare,
    waiting,
)
from tests.common.wire.peers import LIMIT

# --- time --------------------------------------------------------------------------------------


def test_a_silent_peer_is_disconnected_after_the_idle_time() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, idle_s=0.2) as (channel, _):
            start = time.monotonic()
            with pytest.raises(PeerAway, match=r"silent for 0\.2 s"):
                await channel.receive()
            assert 0.19 <= time.monotonic() - start < 2

    run(test())


def test_a_peer_that_does_not_answer_pings_is_disconnected() -> None:
    async def test() -> None:
        async with to_bare(idle_s=0.3) as (channel, peer):
            peer.sendall(encode(WELCOME))
            await channel.receive()
            with pytest.raises(PeerAway, match="silent"):
                await channel.receive()
            assert peer.recv(65536).startswith(encode(Ping()))

    run(test())


def test_pings_keep_an_idle_connection_open() -> None:
    idle = 0.3

    async def test() -> None:
        async with serving(keep_on, idle) as port, connected(port, idle_s=idle) as channel:
            await channel.greet("pacs-1")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(4 * idle):
                    await channel.receive()
            await channel.send(Ping())

    run(test())


# --- closing -----------------------------------------------------------------------------------


def test_close_sends_what_is_left_wakes_a_reader_and_can_be_repeated() -> None:
    async def test() -> None:
        async with to_bare() as (channel, peer):
            reading = asyncio.create_task(channel.receive())
            await waiting(channel)
            await channel.send(HELLO)
            await channel.close()
            with pytest.raises(PeerAway):
                await reading
            await channel.close()
            assert peer.recv(65536) == encode(HELLO)
            assert peer.recv(1) == b""
            with pytest.raises(PeerAway):
                await channel.send(Ping())

    run(test())


def test_abort_wakes_a_reader() -> None:
    async def test() -> None:
        async with to_bare() as (channel, _):
            reading = asyncio.create_task(channel.receive())
            await waiting(channel)
            channel.abort()
            with pytest.raises(PeerAway):
                await reading

    run(test())


def test_close_does_not_wait_for_a_peer_that_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_async, "CLOSE_S", 0.2)

    async def test() -> None:
        async with to_bare(idle_s=0.2) as (channel, _):
            writer = channel._writer
            while writer.transport.get_write_buffer_size() == 0:
                writer.write(bytes(255 * 1024))
                await asyncio.sleep(0)
            start = time.monotonic()
            await channel.close()
            assert time.monotonic() - start < 2
            await asyncio.sleep(0.01)
            assert writer.transport.get_write_buffer_size() == 0, "dropped, not held for good"

    run(test())


def test_a_connection_is_closed_when_its_handler_ends() -> None:
    async def test() -> None:
        async with serving(greet_back) as port, connected(port) as channel:
            await channel.greet("pacs-1")
            with pytest.raises(PeerAway, match="closed the connection"):
                await channel.receive()

    run(test())


def test_a_refusal_reaches_a_peer_that_goes_on_sending() -> None:
    async def handle(channel: AsyncChannel) -> None:
        with contextlib.suppress(ProtocolError):
            await keep_on(channel)

    async def test() -> None:
        async with serving(handle) as port, connected(port) as channel:
            await channel.greet("pacs-1")
            channel._writer.write((LIMIT + 1).to_bytes(4, "little") + bytes(LIMIT))
            answer = await channel.receive()
            assert isinstance(answer, Nack)
            assert answer.code is Refusal.TOO_LARGE

    run(test())
