"""What the tests of the asyncio transport share."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from common.errors import PeerAway, ProtocolError
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import connect, serve
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import FEATURES
from common.wire.messages import Hello, Welcome
from common.wire.protocol import Side
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, PLAIN, WITHIN_S, listening

SENDER, RECEIVER = Side.SCAN_SENDER, Side.SCAN_RECEIVER
HELLO = Hello("pacs-1", features=FEATURES)
WELCOME = Welcome("fr-hub", 8, features=FEATURES)

Handle = Callable[[AsyncChannel], Awaitable[None]]


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(2 * WITHIN_S):
            await test

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def serving(
    handle: Handle, idle_s: float = IDLE_S, policy: ConnectionPolicy = PLAIN
) -> AsyncIterator[int]:
    server = await serve((LOOPBACK, 0), RECEIVER, LIMIT, idle_s, handle, policy)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def connected(
    port: int, side: Side = SENDER, idle_s: float = IDLE_S, policy: ConnectionPolicy = PLAIN
) -> AsyncIterator[AsyncChannel]:
    channel = await connect((LOOPBACK, port), side, LIMIT, idle_s, WITHIN_S, policy)
    try:
        yield channel
    finally:
        channel.abort()
        await channel.close()


@contextlib.asynccontextmanager
async def to_bare(
    side: Side = SENDER, idle_s: float = IDLE_S, policy: ConnectionPolicy = PLAIN
) -> AsyncIterator[tuple[AsyncChannel, socket.socket]]:
    """A channel, and the bare socket at its other end."""
    with listening() as server:
        async with connected(server.getsockname()[1], side, idle_s, policy) as channel:
            peer, _ = server.accept()
            with peer:
                peer.settimeout(WITHIN_S)
                yield channel, peer


async def greet_back(channel: AsyncChannel) -> None:
    await channel.accept_hello(WELCOME.name)
    await channel.welcome(WELCOME.window)


async def keep_on(channel: AsyncChannel) -> None:
    """Take what comes until the connection ends."""
    with contextlib.suppress(PeerAway, ProtocolError):
        await greet_back(channel)
        while True:
            await channel.receive()


async def waiting(channel: AsyncChannel) -> None:
    """Wait until a task waits for what the channel receives."""
    while channel._receiver._waiter is None:  # noqa: ASYNC110 - it has no event for a test
        await asyncio.sleep(0)
