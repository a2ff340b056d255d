"""Slow peers and crowds: who is let go, what he is told, and who is not disturbed."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from common.errors import FrError, PeerAway, ProtocolError, Refusal
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import serve
from common.wire.blocking_connection import Channel
from common.wire.blocking_server import Listener
from common.wire.connection_policy import Pace, Terms
from common.wire.messages import Chunk, Hello, Nack, Ping
from common.wire.protocol import Link, Side, encode
from tests.common.wire.async_peers import HELLO, greet_back, keep_on, run, serving, to_bare
from tests.common.wire.peers import (
    IDLE_S,
    LIMIT,
    LOOPBACK,
    WITHIN_S,
    Aside,
    channel_to_bare,
    connected_to,
    eventually,
)

SLOW = Terms(rate=1000, window_s=0.3, frame_s=1)
RECEIVER = Side.SCAN_RECEIVER
PIECE = encode(Chunk("scan-1", 0, bytes(200_000)))


def told(peer: socket.socket) -> Nack:
    """The refusal that comes before the end."""
    link = Link(Side.SCAN_SENDER, LIMIT)
    while True:
        data = peer.recv(65536)
        assert data, "closed without a word"
        link.feed(data)
        while (event := link.next_event()) is not None:
            if isinstance(event, Nack):
                return event


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


# --- pace, without a clock ---------------------------------------------------------------------


def mid_frame() -> Link:
    link = Link(RECEIVER, LIMIT)
    link.feed(encode(HELLO))
    link.next_event()
    link.feed(PIECE[:100])
    return link


def test_a_peer_that_keeps_the_rate_may_take_its_time() -> None:
    pace, link = Pace(Terms(rate=1000, window_s=10, frame_s=100)), mid_frame()
    for _ in range(99):
        pace.waited(link.begun, 1.0, 1000, owing=False)


def test_a_peer_below_the_rate_is_let_go_after_the_window() -> None:
    pace, link = Pace(Terms(rate=1000, window_s=10, frame_s=100)), mid_frame()
    for _ in range(9):
        pace.waited(link.begun, 1.0, 999, owing=False)
    with pytest.raises(ProtocolError, match="too slow in the middle of a message") as raised:
        pace.waited(link.begun, 1.0, 999, owing=False)
    assert (raised.value.code, raised.value.retry) == (Refusal.LIMIT, True)


def test_a_fast_beginning_does_not_pay_for_a_slow_end() -> None:
    pace, link = Pace(Terms(rate=1000, window_s=10, frame_s=100)), mid_frame()
    pace.waited(link.begun, 10.0, 1_000_000, owing=False)
    with pytest.raises(ProtocolError, match="too slow"):
        pace.waited(link.begun, 10.0, 1, owing=False)


def test_a_message_has_an_absolute_time() -> None:
    pace, link = Pace(Terms(rate=0, window_s=10, frame_s=100)), mid_frame()
    pace.waited(link.begun, 100.0, 1, owing=False)
    with pytest.raises(ProtocolError, match="did not come whole within 100 s"):
        pace.waited(link.begun, 0.1, 1, owing=False)


def test_between_messages_a_peer_may_be_silent_and_owing_it_may_not() -> None:
    pace, link = Pace(Terms(rate=1000, window_s=10, frame_s=100)), Link(RECEIVER, LIMIT)
    for _ in range(100):
        pace.waited(link.begun, 10.0, 0, owing=False)
    with pytest.raises(ProtocolError, match="too slow"):
        pace.waited(link.begun, 10.0, 0, owing=True)


def test_each_message_has_its_own_time() -> None:
    pace, link = Pace(Terms(rate=0, window_s=10, frame_s=100)), mid_frame()
    pace.waited(link.begun, 90.0, 1, owing=False)
    link.feed(PIECE[100:])
    link.next_event()
    link.feed(PIECE[:5])
    pace.waited(link.begun, 90.0, 1, owing=False)


# --- slow peers on sockets ---------------------------------------------------------------------


@pytest.mark.parametrize("every_s", [0.02, 5], ids=["dribbles", "stops"])
def test_threads_let_a_peer_go_that_is_slow_in_the_middle_of_a_message(every_s: float) -> None:
    with channel_to_bare(RECEIVER, terms=SLOW) as (channel, peer):
        peer.sendall(encode(HELLO))
        channel.welcome("fr-hub", 8)
        Dribble(peer, PIECE, every_s)
        with pytest.raises(ProtocolError, match="too slow"):
            channel.receive(WITHIN_S)
        assert told(peer).code is Refusal.LIMIT


@pytest.mark.parametrize("every_s", [0.02, 5], ids=["dribbles", "stops"])
def test_the_loop_lets_a_peer_go_that_is_slow_in_the_middle_of_a_message(every_s: float) -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, terms=SLOW) as (channel, peer):
            peer.sendall(encode(HELLO))
            await channel.hello()
            Dribble(peer, PIECE, every_s)
            with pytest.raises(ProtocolError, match="too slow"):
                await channel.receive()
            assert told(peer).code is Refusal.LIMIT

    run(test())


def test_who_connects_lets_a_listener_go_that_dribbles() -> None:
    with channel_to_bare(Side.SCAN_SENDER, terms=SLOW) as (channel, peer):
        Dribble(peer, encode(Nack(None, Refusal.LIMIT, "x" * 900, retry=True)), 0.02)
        with pytest.raises(ProtocolError, match="too slow"):
            channel.receive(WITHIN_S)

    async def test() -> None:
        async with to_bare(Side.REPORT_SENDER, terms=SLOW) as (channel, peer):
            Dribble(peer, encode(Nack(None, Refusal.LIMIT, "x" * 900, retry=True)), 0.02)
            with pytest.raises(ProtocolError, match="too slow"):
                await channel.receive()

    run(test())


def test_a_greeting_has_an_absolute_time_however_it_dribbles() -> None:
    hello = encode(Hello("pacs-1" + "x" * 500))
    terms = Terms(greeting_s=0.5, rate=0)

    async def test() -> None:
        async with to_bare(RECEIVER, terms=terms) as (channel, peer):
            Dribble(peer, hello, 0.02)
            with pytest.raises(PeerAway, match="did not greet"):
                await channel.hello()

    run(test())
    with channel_to_bare(RECEIVER, terms=terms) as (channel, peer):
        Dribble(peer, hello, 0.02)
        with pytest.raises(PeerAway, match="did not greet"):
            channel.welcome("fr-hub", 8)


def test_who_is_owing_is_let_go_though_it_pings() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, terms=SLOW) as (channel, peer):
            peer.sendall(encode(HELLO))
            await channel.hello()
            channel.owing = True
            ping = encode(Ping())
            Dribble(peer, ping * 100, 0.01)
            with pytest.raises(ProtocolError, match="too slow"):
                await channel.receive()

    run(test())


def test_the_time_in_which_nobody_listened_is_not_the_peers() -> None:
    async def test() -> None:
        async with to_bare(RECEIVER, terms=SLOW) as (channel, peer):
            peer.sendall(encode(HELLO) + PIECE[:1000])
            await channel.hello()
            channel.owing = True
            await asyncio.sleep(2 * SLOW.frame_s)
            peer.sendall(PIECE[1000:])
            assert isinstance(await channel.receive(), Chunk)

    run(test())


# --- crowds ------------------------------------------------------------------------------------


@contextlib.contextmanager
def crowd(port: int, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected_to(port)) for _ in range(count)]


def test_in_a_listener_of_threads_the_oldest_stranger_gives_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handle(channel: Channel) -> None:
        with contextlib.suppress(FrError):
            channel.welcome("pacs-1", 8)
            channel.receive(WITHIN_S)

    made = Listener(
        (LOOPBACK, 0), Side.REPORT_RECEIVER, LIMIT, IDLE_S, handle, terms=Terms(strangers=3)
    )
    with contextlib.closing(made), crowd(made.port, 5) as strangers:
        for peer in strangers[:2]:
            nack = told(peer)
            assert (nack.code, nack.retry) == (Refusal.LIMIT, True)
            assert "3 connections are not greeted" in nack.reason
        channel = Channel.connect(
            (LOOPBACK, made.port), Side.REPORT_SENDER, LIMIT, IDLE_S, WITHIN_S
        )
        with contextlib.closing(channel):
            assert channel.greet("fr-hub").name == "pacs-1"
            with crowd(made.port, 5):
                assert channel.receive(0.2) is None, "who has greeted does not give way"
    assert not caplog.records


def test_in_the_loop_the_oldest_stranger_gives_way() -> None:
    async def test() -> None:
        async with serving(keep_on, terms=Terms(strangers=3)) as port:
            with crowd(port, 5) as strangers:
                for peer in strangers[:2]:
                    assert (await asyncio.to_thread(told, peer)).code is Refusal.LIMIT

                def known() -> None:
                    channel = Channel.connect(
                        (LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S
                    )
                    with contextlib.closing(channel):
                        channel.greet("pacs-1")
                        with crowd(port, 5):
                            assert channel.receive(0.2) is None

                await asyncio.to_thread(known)

    run(test())


def test_a_stranger_in_the_middle_of_tls_gives_way(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from tests.common.wire.tls_files import HUB, issued, terms

    folder = issued(tmp_path_factory.mktemp("crowd"), HUB)

    async def test() -> None:
        server = await serve(
            (LOOPBACK, 0), RECEIVER, LIMIT, IDLE_S, greet_back, terms(folder, HUB, strangers=3)
        )
        async with server:
            port = server.sockets[0].getsockname()[1]
            with crowd(port, 5) as strangers:
                for peer in strangers[:2]:
                    assert await asyncio.to_thread(peer.recv, 1) == b""

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


def test_a_thousand_idle_and_dribbling_strangers_keep_nobody_out() -> None:
    """Real sockets; the 99th percentile is measured elsewhere, here it must only be human."""
    answered: list[float] = []

    async def handle(channel: AsyncChannel) -> None:
        with contextlib.suppress(FrError):
            await channel.hello()
            await channel.welcome("fr-hub", 8)
            while True:
                await channel.receive()

    def known(port: int) -> None:
        for n in range(100):
            began = time.monotonic()
            channel = Channel.connect((LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S)
            with contextlib.closing(channel):
                channel.greet(f"pacs-{n}")
            answered.append(time.monotonic() - began)

    async def test() -> None:
        async with serving(handle) as port:
            with crowd(port, 1000) as strangers:
                for peer in strangers[500:]:
                    with contextlib.suppress(OSError):
                        peer.send(encode(HELLO)[:7])
                await asyncio.to_thread(known, port)
                for peer in strangers[-100:]:
                    with contextlib.suppress(OSError):
                        peer.send(b"x")

    run(test())
    assert len(answered) == 100
    assert sorted(answered)[98] < 1.0


def test_the_slots_of_a_listener_come_back() -> None:
    def handle(channel: Channel) -> None:
        with contextlib.suppress(FrError):
            channel.welcome("pacs-1", 8)

    made = Listener(
        (LOOPBACK, 0), Side.REPORT_RECEIVER, LIMIT, IDLE_S, handle, terms=Terms(strangers=2)
    )
    with contextlib.closing(made):
        with crowd(made.port, 20):
            pass
        eventually(lambda: not made._channels)
        assert not made._strangers
