"""Peers that talk in TLS: both drivers, in both directions."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import FrError, PeerAway, ProtocolError
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import connect, serve
from common.wire.blocking_connection import Channel
from common.wire.blocking_server import BlockingServer
from common.wire.connection_policy import ConnectionPolicy
from common.wire.messages import Ack, Report
from common.wire.protocol import Side
from tests.common.wire.async_peers import run
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, WITHIN_S, Aside
from tests.common.wire.tls_files import HUB, PACS, policy


@contextlib.contextmanager
def listening(asked: ConnectionPolicy, handle: Callable[[Channel], None]) -> Iterator[int]:
    with contextlib.closing(made(asked, handle)) as listener:
        yield listener.port


def made(asked: ConnectionPolicy, handle: Callable[[Channel], None]) -> BlockingServer:
    limits = (Side.REPORT_RECEIVER, LIMIT, IDLE_S)
    return BlockingServer((LOOPBACK, 0), *limits, handle, policy=asked)


def answer_reports(channel: Channel) -> None:
    with contextlib.suppress(PeerAway, ProtocolError):
        channel.welcome(PACS, 8, HUB)
        event = channel.receive(WITHIN_S)
        assert isinstance(event, Report)
        channel.send(Ack((event.report.scan_id,)))
        channel.receive(WITHIN_S)


async def connected(port: int, asked: ConnectionPolicy) -> AsyncChannel:
    return await connect((LOOPBACK, port), Side.REPORT_SENDER, LIMIT, IDLE_S, WITHIN_S, asked)


def hub_to_pacs(
    hub: ConnectionPolicy, pacs: ConnectionPolicy, meant: str = PACS
) -> tuple[str, str]:
    """What both learn: Fr-HUB connects (asyncio), Fr-PACS listens (threads)."""
    heard: list[str] = []

    def handle(channel: Channel) -> None:
        try:
            channel.welcome(PACS, 8, HUB)
        except FrError as error:
            heard.append(str(error))
        else:
            heard.append("welcome")
            with contextlib.suppress(FrError):
                channel.receive(WITHIN_S)

    said: list[str] = []

    async def test(port: int) -> None:
        try:
            channel = await connected(port, hub)
            try:
                await channel.greet(HUB, meant)
                said.append("welcome")
            finally:
                channel.abort()
        except FrError as error:
            said.append(str(error))

    with listening(pacs, handle) as port:
        run(test(port))
    return said[0], heard[0]


def pacs_to_hub(pacs: ConnectionPolicy, hub: ConnectionPolicy) -> tuple[str, str]:
    """What both learn: Fr-PACS connects (threads), Fr-HUB listens (asyncio)."""
    heard: list[str] = []
    told = asyncio.Event()

    async def handle(channel: AsyncChannel) -> None:
        try:
            await channel.accept_hello(HUB)
            await channel.welcome(8)
            heard.append("welcome")
        except FrError as error:
            heard.append(str(error))
        told.set()

    def refused(error: FrError, address: str) -> None:
        assert address == LOOPBACK
        heard.append(str(error))
        told.set()

    def connect_to(port: int) -> str:
        try:
            channel = Channel.connect(
                (LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S, pacs
            )
            with contextlib.closing(channel):
                channel.greet(PACS, HUB)
        except FrError as error:
            return str(error)
        return "welcome"

    async def test() -> str:
        limits = (Side.SCAN_RECEIVER, LIMIT, IDLE_S)
        server = await serve((LOOPBACK, 0), *limits, handle, hub, refused)
        async with server, asyncio.timeout(WITHIN_S):
            said = await asyncio.to_thread(connect_to, server.sockets[0].getsockname()[1])
            await told.wait()
        return said

    return asyncio.run(test()), heard[0]


def refusal_of(good: Path, answering: ConnectionPolicy) -> ProtocolError:
    """The error of a client whose server has this policy."""
    with listening(answering, answer_reports) as port:
        aside = Aside(
            lambda: Channel.connect(
                (LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S, policy(good, PACS)
            )
        )
        error = aside.result()
    assert isinstance(error, ProtocolError)
    return error
