"""TLS with mutual authentication on real sockets, in both directions."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from common.errors import PeerAway
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import serve
from common.wire.blocking_connection import Channel
from common.wire.constants import FEATURES
from common.wire.messages import Ack, Chunk, Hello, Ping, Report, Scan
from common.wire.protocol import Side
from tests.common.wire.async_peers import run
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, WITHIN_S, connected_to
from tests.common.wire.tls_files import HUB, PACS, context_of, policy
from tests.common.wire.tls_peers import (
    answer_reports,
    connected,
    hub_to_pacs,
    listening,
    made,
    pacs_to_hub,
)
from tests.strategies import a_report, a_scan

LARGE = bytes(range(256)) * 1000


def test_scans_and_acknowledgements_travel_in_tls_1_3(good: Path) -> None:
    heard: list[object] = []
    versions: list[str] = []

    async def handle(channel: AsyncChannel) -> None:
        heard.append(await channel.accept_hello(HUB))
        versions.append(channel._writer.get_extra_info("ssl_object").version())
        await channel.welcome(8)
        heard.extend([await channel.receive() for _ in range(3)])
        await channel.send(Ack(("scan-1",)))
        with contextlib.suppress(PeerAway):
            await channel.receive()

    def pacs(port: int) -> None:
        channel = Channel.connect(
            (LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S, policy(good, PACS)
        )
        with contextlib.closing(channel):
            assert channel.greet(PACS, HUB).window == 8
            assert channel.certificate_names == frozenset({HUB})
            channel.send(Scan(a_scan(), b"voxels.."), Ping())
            channel.send(Chunk("scan-1", 0, LARGE), Chunk("scan-1", 1, LARGE))
            assert channel.receive(WITHIN_S) == Ack(("scan-1",))
            assert channel.receive(0) is None

    async def test() -> None:
        server = await serve(
            (LOOPBACK, 0), Side.SCAN_RECEIVER, LIMIT, IDLE_S, handle, policy(good, HUB)
        )
        async with server:
            await asyncio.to_thread(pacs, server.sockets[0].getsockname()[1])

    run(test())
    assert versions == ["TLSv1.3"]
    assert heard[0] == Hello(PACS, features=FEATURES)
    assert heard[2:] == [Chunk("scan-1", 0, LARGE), Chunk("scan-1", 1, LARGE)]


def test_reports_travel_in_tls_the_other_way(good: Path) -> None:
    with listening(policy(good, PACS), answer_reports) as port:

        async def test() -> None:
            channel = await connected(port, policy(good, HUB))
            assert (await channel.greet(HUB, PACS)).name == PACS
            await channel.send(Report(a_report()))
            assert await channel.receive() == Ack((a_report().scan_id,))
            await channel.close()

        run(test())


def test_tls_1_2_is_still_accepted(good: Path) -> None:
    with listening(policy(good, PACS), answer_reports) as port:
        context = context_of(good, HUB, ssl.TLSVersion.TLSv1_2)
        with connected_to(port) as plain, context.wrap_socket(plain) as secured:
            assert secured.version() == "TLSv1.2"


def test_a_thread_that_reads_in_tls_is_woken_by_close(good: Path) -> None:
    began: list[Channel] = []

    def handle(channel: Channel) -> None:
        channel.welcome(PACS, 8)
        began.append(channel)
        with contextlib.suppress(PeerAway):
            channel.receive(WITHIN_S)

    listener = made(policy(good, PACS), handle)

    async def test() -> None:
        channel = await connected(listener.port, policy(good, HUB))
        await channel.greet(HUB, PACS)
        await asyncio.to_thread(listener.close)
        assert not listener._channels
        with pytest.raises(PeerAway):
            await channel.receive()
        await channel.close()

    run(test())


def test_the_right_certificates_are_welcome_both_ways(good: Path) -> None:
    assert hub_to_pacs(policy(good, HUB), policy(good, PACS)) == ("welcome", "welcome")
    assert pacs_to_hub(policy(good, PACS), policy(good, HUB)) == ("welcome", "welcome")
