"""The handshake on real sockets: both drivers, joined in both directions."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from common.domain.pacs_key import HubSecret
from common.errors import FrError, ProtocolError, Refusal
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import serve
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import NONCE_BYTES
from common.wire.frames import encode
from common.wire.messages import Hello, Scan, Welcome
from common.wire.protocol import Side
from tests.common.wire.async_peers import run
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, WITHIN_S, Aside, channel_to_bare
from tests.strategies import a_scan

SECRET, OTHER = b"correct-horse-battery-staple-1234", b"another-horse-battery-staple-1234"


def policy(secret: bytes | None) -> ConnectionPolicy:
    return ConnectionPolicy(keys=None if secret is None else HubSecret(secret))


def threads(pacs: ConnectionPolicy, hub: ConnectionPolicy) -> tuple[object, object]:
    """Fr-HUB connects, Fr-PACS listens; both blocking."""
    with channel_to_bare(Side.REPORT_SENDER, policy=hub) as (client, peer):
        server = Channel(peer, Side.REPORT_RECEIVER, LIMIT, IDLE_S, pacs)
        with contextlib.closing(server):
            aside = Aside(lambda: client.greet("fr-hub", "pacs-1"))
            other = Aside(lambda: server.welcome("pacs-1", 8, "fr-hub"))
            return aside.result(), other.result()


def loop_and_thread(pacs: ConnectionPolicy, hub: ConnectionPolicy) -> tuple[object, object]:
    """Fr-PACS connects from a thread, Fr-HUB listens in a loop."""
    heard: list[object] = []

    async def handle(channel: AsyncChannel) -> None:
        try:
            heard.append(await channel.accept_hello("fr-hub"))
            await channel.welcome(8)
        except FrError as error:
            heard.append(error)

    def connect(port: int) -> object:
        channel = Channel.connect((LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S, pacs)
        with contextlib.closing(channel):
            try:
                return channel.greet("pacs-1", "fr-hub")
            except FrError as error:
                return error

    async def test() -> object:
        server = await serve((LOOPBACK, 0), Side.SCAN_RECEIVER, LIMIT, IDLE_S, handle, hub)
        async with server:
            return await asyncio.to_thread(connect, server.sockets[0].getsockname()[1])

    return asyncio.run(test()), heard[0]


BOTH = pytest.mark.parametrize("join", [threads, loop_and_thread])
Join = Callable[[ConnectionPolicy, ConnectionPolicy], tuple[object, object]]


@BOTH
@pytest.mark.parametrize("secret", [None, SECRET])
def test_the_same_secret_or_none_is_welcome(join: Join, secret: bytes | None) -> None:
    said, heard = join(policy(secret), policy(secret))
    assert isinstance(said, Welcome)
    assert isinstance(heard, Hello)


@BOTH
@pytest.mark.parametrize(
    ("pacs", "hub", "reason"),
    [
        (SECRET, OTHER, "another key"),
        (SECRET, None, "SHARED_SECRET"),
        (None, SECRET, "SHARED_SECRET"),
    ],
)
def test_any_other_is_refused_and_both_are_told(
    join: Join, pacs: bytes | None, hub: bytes | None, reason: str
) -> None:
    for error in join(policy(pacs), policy(hub)):
        assert isinstance(error, ProtocolError)
        assert (error.code, error.retry) == (Refusal.UNAUTHENTICATED, False)
        assert reason in error.reason


def test_a_client_that_continues_without_a_proof_is_refused() -> None:
    async def test() -> None:
        ended = asyncio.get_running_loop().create_future()

        async def handle(channel: AsyncChannel) -> None:
            try:
                await channel.accept_hello("fr-hub")
            except FrError as error:
                ended.set_result(error)

        server = await serve(
            (LOOPBACK, 0), Side.SCAN_RECEIVER, LIMIT, IDLE_S, handle, policy(SECRET)
        )
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            hello = Hello("pacs-1", nonce=bytes(NONCE_BYTES))
            writer.write(encode(hello) + encode(Scan(a_scan(), b"voxels..")))
            error = await ended
            assert isinstance(error, ProtocolError)
            assert error.code is Refusal.UNEXPECTED
            writer.close()

    run(test())
