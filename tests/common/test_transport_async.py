"""The asyncio side of the wire: AsyncChannel, serve, dial."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from common import transport
from common.const import PROTOCOL_VERSION, Refusal
from common.errors import AlreadyRunning, PeerAway, ProtocolError, SettingsError
from common.messages import Ack, Chunk, Flaw, Hello, Nack, Ping, Scan, Welcome
from common.protocol import Side, encode
from common.transport import AsyncChannel, dial, serve
from tests.common.peers import IDLE_S, LIMIT, LOOPBACK, WITHIN_S, free_port, listening, reset
from tests.common.wire import frame_of
from tests.strategies import a_scan

SENDER, RECEIVER = Side.SCAN_SENDER, Side.SCAN_RECEIVER
HELLO, WELCOME = Hello("pacs-1"), Welcome("fr-hub", 8)

Handle = Callable[[AsyncChannel], Awaitable[None]]


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(2 * WITHIN_S):
            await test

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def serving(handle: Handle, idle_s: float = IDLE_S) -> AsyncIterator[int]:
    server = await serve((LOOPBACK, 0), RECEIVER, LIMIT, idle_s, handle)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def dialled(
    port: int, side: Side = SENDER, idle_s: float = IDLE_S
) -> AsyncIterator[AsyncChannel]:
    channel = await dial((LOOPBACK, port), side, LIMIT, idle_s, WITHIN_S)
    try:
        yield channel
    finally:
        channel.abort()
        await channel.close()


@contextlib.asynccontextmanager
async def to_bare(
    side: Side = SENDER, idle_s: float = IDLE_S
) -> AsyncIterator[tuple[AsyncChannel, socket.socket]]:
    """A channel, and the bare socket at its other end."""
    with listening() as server:
        async with dialled(server.getsockname()[1], side, idle_s) as channel:
            peer, _ = server.accept()
            with peer:
                peer.settimeout(WITHIN_S)
                yield channel, peer


async def greet_back(channel: AsyncChannel) -> None:
    await channel.hello()
    await channel.send(WELCOME)


async def keep_on(channel: AsyncChannel) -> None:
    """Take what comes until the connection ends."""
    with contextlib.suppress(PeerAway, ProtocolError):
        await greet_back(channel)
        while True:
            await channel.receive()


def test_two_channels_greet_and_talk() -> None:
    heard: list[object] = []

    async def handle(channel: AsyncChannel) -> None:
        heard.append(await channel.hello())
        await channel.send(WELCOME)
        heard.append(await channel.receive())
        await channel.send(Ack(("scan-1",)), Ack(("scan-2",)))

    async def test() -> None:
        async with serving(handle) as port, dialled(port) as channel:
            assert await channel.greet("pacs-1") == WELCOME
            await channel.send(Ping(), Scan(a_scan(), b"voxels.."))
            assert await channel.receive() == Ack(("scan-1",))
            assert await channel.receive() == Ack(("scan-2",))
            assert heard == [HELLO, Scan(a_scan(), b"voxels..")]
            with pytest.raises(PeerAway, match="closed the connection"):
                await channel.receive()

    run(test())


def test_another_version_is_refused_and_the_peer_is_told() -> None:
    refused: list[Refusal] = []

    async def handle(channel: AsyncChannel) -> None:
        try:
            await channel.hello()
        except ProtocolError as error:
            refused.append(error.code)

    async def test() -> None:
        async with serving(handle) as port, dialled(port) as channel:
            await channel.send(Hello("pacs-1", PROTOCOL_VERSION + 1))
            answer = await channel.receive()
            assert isinstance(answer, Nack)
            assert (answer.id, answer.code) == (None, Refusal.VERSION)
            assert refused == [Refusal.VERSION]

    run(test())


def test_a_refused_greeting_raises_what_the_peer_said() -> None:
    async def test() -> None:
        async with to_bare() as (channel, peer):
            peer.sendall(encode(Nack(None, Refusal.LIMIT, "full", retry=True)))
            with pytest.raises(ProtocolError) as raised:
                await channel.greet("pacs-1")
            assert (raised.value.code, raised.value.retry) == (Refusal.LIMIT, True)

    run(test())


def test_a_flaw_is_told_and_the_connection_goes_on() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER) as (channel, peer):
            wrong = {"t": "scan", "scan": {"scan_id": "scan-1"}}
            peer.sendall(encode(HELLO) + frame_of(wrong) + encode(Chunk("scan-1", 0, b"x")))
            assert await channel.hello() == HELLO
            assert isinstance(await channel.receive(), Flaw)
            assert await channel.receive() == Chunk("scan-1", 0, b"x")

    run(test())


# --- connections that end -----------------------------------------------------------------------


def test_nobody_there_is_peer_away_with_the_address() -> None:
    port = free_port()

    async def test() -> None:
        with pytest.raises(PeerAway, match=f"{LOOPBACK}:{port}: "):
            await dial((LOOPBACK, port), SENDER, LIMIT, IDLE_S, WITHIN_S)

    run(test())


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
def test_a_name_that_no_host_can_have_is_told(host: str) -> None:
    async def test() -> None:
        with pytest.raises(PeerAway, match="cannot be the name of a host"):
            await dial((host, 7301), SENDER, LIMIT, IDLE_S, WITHIN_S)
        with pytest.raises(SettingsError, match="cannot be the name of a host"):
            await serve((host, 0), RECEIVER, LIMIT, IDLE_S, keep_on)

    run(test())


def test_a_port_in_use_is_already_running() -> None:
    async def test() -> None:
        with listening() as server:
            port = server.getsockname()[1]
            with pytest.raises(AlreadyRunning, match=f"{LOOPBACK}:{port} is in use"):
                await serve((LOOPBACK, port), RECEIVER, LIMIT, IDLE_S, keep_on)

    run(test())


def test_an_address_of_no_interface_here_is_a_settings_error() -> None:
    async def test() -> None:
        with pytest.raises(SettingsError, match="cannot listen on 192.0.2.1:0"):
            await serve(("192.0.2.1", 0), RECEIVER, LIMIT, IDLE_S, keep_on)

    run(test())


@pytest.mark.parametrize("cut", [1, 4, 20])
def test_a_connection_cut_in_the_middle_of_a_message_is_told_as_such(cut: int) -> None:
    async def test() -> None:
        async with to_bare() as (channel, peer):
            peer.sendall(encode(WELCOME)[:cut])
            peer.close()
            with pytest.raises(PeerAway, match="in the middle of a message"):
                await channel.receive()

    run(test())


def test_a_reset_connection_is_peer_away() -> None:
    async def test() -> None:
        async with to_bare() as (channel, peer):
            reset(peer)
            with pytest.raises(PeerAway):
                await channel.receive()
            with pytest.raises(PeerAway):
                await channel.send(HELLO)

    run(test())


def test_a_peer_that_accepts_and_never_answers_is_peer_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_GREETING_S", 0.1)

    async def test() -> None:
        async with to_bare() as (channel, _):
            with pytest.raises(PeerAway, match="did not answer the greeting"):
                await channel.greet("pacs-1")

    run(test())


def test_a_peer_that_connects_and_never_greets_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_GREETING_S", 0.1)

    async def test() -> None:
        async with to_bare(RECEIVER) as (channel, _):
            with pytest.raises(PeerAway, match="did not greet"):
                await channel.hello()

    run(test())


def test_a_peer_that_never_reads_ends_a_send() -> None:
    async def test() -> None:
        async with to_bare(idle_s=0.2) as (channel, _):
            piece = Chunk("scan-1", 0, bytes(255 * 1024))
            with pytest.raises(PeerAway, match=r"read nothing for 0\.2 s"):  # noqa: PT012
                for _ in range(200):
                    await channel.send(piece)
            with pytest.raises(PeerAway):
                await channel.send(Ping())

    run(test())


# --- time --------------------------------------------------------------------------------------


def test_a_silent_peer_is_let_go_after_the_idle_time() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, idle_s=0.2) as (channel, _):
            start = time.monotonic()
            with pytest.raises(PeerAway, match=r"silent for 0\.2 s"):
                await channel.receive()
            assert 0.19 <= time.monotonic() - start < 2

    run(test())


def test_a_peer_that_does_not_answer_pings_is_let_go() -> None:
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
        async with serving(keep_on, idle) as port, dialled(port, idle_s=idle) as channel:
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
            await asyncio.sleep(0.05)
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
            await asyncio.sleep(0.05)
            channel.abort()
            with pytest.raises(PeerAway):
                await reading

    run(test())


def test_close_does_not_wait_for_a_peer_that_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_CLOSE_S", 0.2)

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
        async with serving(greet_back) as port, dialled(port) as channel:
            await channel.greet("pacs-1")
            with pytest.raises(PeerAway, match="closed the connection"):
                await channel.receive()

    run(test())
