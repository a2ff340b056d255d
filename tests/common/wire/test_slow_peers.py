"""Slow peers: which are disconnected, and which reason they get."""

import asyncio
import contextlib
import socket
import struct
import threading
import time

import pytest

from common.errors import PeerAway, ProtocolError, Refusal
from common.wire.connection_policy import ConnectionPolicy
from common.wire.frames import encode
from common.wire.messages import Chunk, Hello, Nack, Ping
from common.wire.protocol import Side
from tests.common.wire.async_peers import HELLO, run, to_bare
from tests.common.wire.peers import (
    LIMIT,
    WITHIN_S,
    Aside,
    channel_to_bare,
    told,
)

SLOW = ConnectionPolicy(min_bytes_per_s=1000, rate_window_s=0.3, frame_timeout_s=1)
RECEIVER = Side.SCAN_RECEIVER
PIECE = encode(Chunk("scan-1", 0, bytes(200_000)))


class Dribble(threading.Thread):
    """Sends a byte now and then until the connection ends."""

    def __init__(self, peer: socket.socket, data: bytes, every_s: float) -> None:
        super().__init__(daemon=True)
        self._peer, self._data, self._every_s = peer, data, every_s
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            for byte in self._data:
                self._peer.send(bytes([byte]))
                time.sleep(self._every_s)


@pytest.mark.parametrize("every_s", [0.02, 5], ids=["dribbles", "stops"])
def test_a_thread_disconnects_a_peer_that_is_slow_in_the_middle_of_a_message(
    every_s: float,
) -> None:
    with channel_to_bare(RECEIVER, policy=SLOW) as (channel, peer):
        peer.sendall(encode(HELLO))
        channel.welcome("fr-hub", 8)
        Dribble(peer, PIECE, every_s)
        with pytest.raises(ProtocolError, match="too slow"):
            channel.receive(WITHIN_S)
        assert told(peer).code is Refusal.LIMIT


@pytest.mark.parametrize("every_s", [0.02, 5], ids=["dribbles", "stops"])
def test_the_loop_disconnects_a_peer_that_is_slow_in_the_middle_of_a_message(
    every_s: float,
) -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, policy=SLOW) as (channel, peer):
            peer.sendall(encode(HELLO))
            await channel.accept_hello("fr-hub")
            Dribble(peer, PIECE, every_s)
            with pytest.raises(ProtocolError, match="too slow"):
                await channel.receive()
            assert told(peer).code is Refusal.LIMIT

    run(test())


def test_a_client_disconnects_a_server_that_dribbles() -> None:
    with channel_to_bare(Side.SCAN_SENDER, policy=SLOW) as (channel, peer):
        Dribble(peer, encode(Nack(None, Refusal.LIMIT, "x" * 900, retry=True)), 0.02)
        with pytest.raises(ProtocolError, match="too slow"):
            channel.receive(WITHIN_S)

    async def test() -> None:
        async with to_bare(Side.REPORT_SENDER, policy=SLOW) as (channel, peer):
            Dribble(peer, encode(Nack(None, Refusal.LIMIT, "x" * 900, retry=True)), 0.02)
            with pytest.raises(ProtocolError, match="too slow"):
                await channel.receive()

    run(test())


def test_a_handshake_has_a_time_limit_however_slowly_it_dribbles() -> None:
    hello = encode(Hello("pacs-1" + "x" * 500))
    policy = ConnectionPolicy(handshake_timeout_s=0.5, min_bytes_per_s=0)

    async def test() -> None:
        async with to_bare(RECEIVER, policy=policy) as (channel, peer):
            Dribble(peer, hello, 0.02)
            with pytest.raises(PeerAway, match="did not complete the handshake"):
                await channel.accept_hello("fr-hub")

    run(test())
    with channel_to_bare(RECEIVER, policy=policy) as (channel, peer):
        Dribble(peer, hello, 0.02)
        with pytest.raises(PeerAway, match="did not complete the handshake"):
            channel.welcome("fr-hub", 8)


def test_a_peer_in_the_middle_of_a_scan_is_disconnected_though_it_pings() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, policy=SLOW) as (channel, peer):
            peer.sendall(encode(HELLO))
            await channel.accept_hello("fr-hub")
            channel.mid_transfer = True
            ping = encode(Ping())
            Dribble(peer, ping * 100, 0.01)
            with pytest.raises(ProtocolError, match="too slow"):
                await channel.receive()

    run(test())


def test_time_in_which_nobody_receives_does_not_count_against_the_peer() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, policy=SLOW) as (channel, peer):
            peer.sendall(encode(HELLO) + PIECE[:1000])
            await channel.accept_hello("fr-hub")
            channel.mid_transfer = True
            await asyncio.sleep(2 * SLOW.frame_timeout_s)
            peer.sendall(PIECE[1000:])
            assert isinstance(await channel.receive(), Chunk)

    run(test())


def test_a_refusal_by_a_thread_reaches_a_peer_that_goes_on_sending() -> None:
    with channel_to_bare(RECEIVER) as (channel, peer):
        peer.sendall(encode(HELLO))
        channel.welcome("fr-hub", 8)
        sending = Aside(
            lambda: peer.sendall(struct.pack("<i", LIMIT + 1) + bytes(4 * LIMIT)),
        )
        with pytest.raises(ProtocolError, match="over the limit"):
            channel.receive(WITHIN_S)
        assert told(peer).code is Refusal.TOO_LARGE
        sending.result()
