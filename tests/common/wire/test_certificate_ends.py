"""A connection ends when the certificate of either side does, however it is used."""

import asyncio
import contextlib
import datetime
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from common.commands import certificates as certs
from common.commands.certificates import Authority
from common.errors import FrError, PeerAway, ProtocolError, Refusal
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import serve
from common.wire.blocking_connection import Channel
from common.wire.messages import Nack, Ping
from common.wire.protocol import Side
from common.wire.tls import Lifetime
from tests.common.wire.async_peers import run
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, WITHIN_S
from tests.common.wire.tls_files import HUB, PACS, issued, policy
from tests.common.wire.tls_peers import connected, listening

LIFE_S = 4.0


def short_lived(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> float:
    """Give this unit a certificate that ends in a few seconds, and both units one; when it does."""
    authority = Authority(folder)
    ends_at = int(time.time() + LIFE_S)
    with monkeypatch.context() as past:
        then = datetime.datetime.fromtimestamp(ends_at, datetime.UTC) - datetime.timedelta(days=1)
        past.setattr(certs, "_now", lambda: then)
        authority.issue(name, 1)
    authority.issue(PACS if name == HUB else HUB, 30)
    return float(ends_at)


def ended_in_time(error: object, name: str, ends_at: float) -> None:
    assert time.time() >= ends_at
    assert isinstance(error, ProtocolError), error
    assert error.code is Refusal.UNAUTHENTICATED
    assert error.reason.startswith(f"the certificate of {name!r} expired at ")
    assert "make certs" in error.reason


def raised(call: Callable[[], object]) -> object:
    """What it raises, or returns; the nack with which the peer ends the connection is an error."""
    try:
        got = call()
    except FrError as error:
        return error
    return ProtocolError(got.code, got.reason) if isinstance(got, Nack) else got


def until_refused(channel: Channel) -> object:
    """Use the connection until it ends."""
    while True:
        channel.send(Ping())
        got = channel.receive(0.05)
        if got is not None:
            return got


@pytest.mark.parametrize("name", [HUB, PACS])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_between_a_thread_and_a_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, busy: bool
) -> None:
    ends_at = short_lived(tmp_path, name, monkeypatch)
    heard: list[object] = []

    async def handle(channel: AsyncChannel) -> None:
        await channel.accept_hello(HUB)
        await channel.welcome(8)
        try:
            heard.append(await channel.receive())
        except FrError as error:
            heard.append(error)

    def connect(port: int) -> object:
        address = (LOOPBACK, port)
        pacs = policy(tmp_path, PACS)
        channel = Channel.connect(address, Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S, pacs)
        with contextlib.closing(channel):
            channel.greet(PACS, HUB)
            if busy:
                return raised(lambda: until_refused(channel))
            return raised(lambda: channel.receive(IDLE_S))

    async def test() -> None:
        limits = (Side.SCAN_RECEIVER, LIMIT, IDLE_S)
        server = await serve((LOOPBACK, 0), *limits, handle, policy(tmp_path, HUB))
        async with server:
            said = await asyncio.to_thread(connect, server.sockets[0].getsockname()[1])
        seen = [one for one in (said, *heard) if not isinstance(one, PeerAway)]
        assert seen, (said, heard)
        for one in seen:  # one of both may only see that the other closed
            ended_in_time(one, name, ends_at)

    run(test())


@pytest.mark.parametrize("name", [HUB, PACS])
def test_between_a_loop_and_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ends_at = short_lived(tmp_path, name, monkeypatch)
    heard: list[object] = []

    def handle(channel: Channel) -> None:
        channel.welcome(PACS, 8, HUB)
        heard.append(raised(lambda: channel.receive(IDLE_S)))

    async def use(port: int) -> None:
        channel = await connected(port, policy(tmp_path, HUB))
        try:
            await channel.greet(HUB, PACS)
            heard.append(await channel.receive())
        except FrError as error:
            heard.append(error)
        finally:
            channel.abort()

    with listening(policy(tmp_path, PACS), handle) as port:
        run(use(port))
    seen = [one for one in heard if not isinstance(one, PeerAway)]
    assert seen, heard
    for one in seen:
        one = ProtocolError(one.code, one.reason) if isinstance(one, Nack) else one
        ended_in_time(one, name, ends_at)


def test_a_connection_does_not_end_before(tmp_path: Path) -> None:
    good = policy(issued(tmp_path, HUB, PACS), HUB)
    assert good.tls is not None
    assert 29 * 86_400 < good.tls.lifetime.left_s() < 31 * 86_400
    good.tls.lifetime.check()


def test_the_first_certificate_to_end_ends_a_connection(tmp_path: Path) -> None:
    tls = policy(issued(tmp_path, HUB, PACS), HUB).tls
    assert tls is not None
    assert tls.lifetime.names == {HUB}
    peer = {"notAfter": "Jan  5 09:34:43 2018 GMT", "subjectAltName": (("DNS", PACS),)}
    first = tls.first_to_end(peer)
    assert first == Lifetime(frozenset({PACS}), 1515144883.0)
    with pytest.raises(
        ProtocolError, match="of 'pacs-1' expired at 2018-01-05 09:34:43 UTC"
    ) as ended:
        first.check()
    assert not ended.value.retry  # until a person renews it
    assert tls.first_to_end({**peer, "notAfter": "Jan  5 09:34:43 2999 GMT"}) == tls.lifetime
