"""A channel of the asyncio loop: its handshake, its messages, its losses."""

import asyncio

import pytest

from common.errors import PeerAway, ProtocolError, Refusal
from common.wire.async_connection import AsyncChannel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import PROTOCOL_VERSION
from common.wire.frames import encode
from common.wire.messages import Ack, Chunk, Hello, InvalidMessage, Nack, Ping, Scan
from tests.common.wire.async_peers import (
    HELLO,
    RECEIVER,
    WELCOME,
    connected,
    run,
    serving,
    to_bare,
)
from tests.common.wire.frames import frame_of
from tests.common.wire.peers import reset, told
from tests.strategies import a_scan


def test_two_channels_greet_and_talk() -> None:
    heard: list[object] = []

    async def handle(channel: AsyncChannel) -> None:
        heard.append(await channel.accept_hello("fr-hub"))
        await channel.send(WELCOME)
        heard.append(await channel.receive())
        await channel.send(Ack(("scan-1",)), Ack(("scan-2",)))

    async def test() -> None:
        async with serving(handle) as port, connected(port) as channel:
            assert await channel.greet("pacs-1") == WELCOME
            await channel.send(Ping(), Scan(a_scan(), b"voxels.."))
            assert await channel.receive() == Ack(("scan-1",))
            assert await channel.receive() == Ack(("scan-2",))
            assert heard == [HELLO, Scan(a_scan(), b"voxels..")]
            with pytest.raises(PeerAway, match="closed the connection"):
                await channel.receive()

    run(test())


def test_another_version_is_refused_and_the_peer_is_told() -> None:
    async def test() -> None:
        refused = asyncio.get_running_loop().create_future()

        async def handle(channel: AsyncChannel) -> None:
            try:
                await channel.accept_hello("fr-hub")
            except ProtocolError as error:
                refused.set_result(error.code)

        async with serving(handle) as port, connected(port) as channel:
            await channel.send(Hello("pacs-1", PROTOCOL_VERSION + 1))
            answer = await channel.receive()
            assert isinstance(answer, Nack)
            assert (answer.id, answer.code) == (None, Refusal.VERSION)
            channel.abort()
            assert await refused is Refusal.VERSION

    run(test())


def test_a_refused_handshake_raises_the_reason_of_the_peer() -> None:
    async def test() -> None:
        async with to_bare() as (channel, peer):
            peer.sendall(encode(Nack(None, Refusal.LIMIT, "full", retry=True)))
            with pytest.raises(ProtocolError) as raised:
                await channel.greet("pacs-1")
            assert (raised.value.code, raised.value.retry) == (Refusal.LIMIT, True)

    run(test())


def test_an_invalid_message_is_an_event_and_the_connection_continues() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER) as (channel, peer):
            wrong = {"t": "scan", "scan": {"scan_id": "scan-1"}}
            peer.sendall(encode(HELLO) + frame_of(wrong) + encode(Chunk("scan-1", 0, b"x")))
            assert await channel.accept_hello("fr-hub") == HELLO
            assert isinstance(await channel.receive(), InvalidMessage)
            assert await channel.receive() == Chunk("scan-1", 0, b"x")

    run(test())


# --- connections that end -----------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 4, 20])
def test_a_connection_cut_in_the_middle_of_a_message_is_reported_as_such(cut: int) -> None:
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


def test_a_peer_that_accepts_and_never_answers_is_peer_away() -> None:

    async def test() -> None:
        async with to_bare(policy=ConnectionPolicy(handshake_timeout_s=0.1)) as (channel, _):
            with pytest.raises(PeerAway, match="did not complete the handshake"):
                await channel.greet("pacs-1")

    run(test())


def test_a_peer_that_connects_and_sends_nothing_is_told_and_disconnected() -> None:

    async def test() -> None:
        async with to_bare(RECEIVER, policy=ConnectionPolicy(handshake_timeout_s=0.1)) as (
            channel,
            peer,
        ):
            with pytest.raises(PeerAway, match="did not complete the handshake"):
                await channel.accept_hello("fr-hub")
            nack = told(peer)
            assert (nack.code, nack.retry) == (Refusal.LIMIT, True)
            assert "the handshake was not complete after 0.1 s" in nack.reason

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
