"""TLS with mutual authentication on real sockets, in both directions, and each refusal."""

import asyncio
import contextlib
import re
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.errors import FrError, PeerAway, ProtocolError, Refusal
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import connect, serve
from common.wire.blocking_connection import Channel
from common.wire.blocking_server import BlockingServer
from common.wire.connection_policy import PLAIN, ConnectionPolicy
from common.wire.messages import Ack, Chunk, Hello, Ping, Report, Scan
from common.wire.protocol import Side
from tests.common.wire.async_peers import run
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, WITHIN_S, Aside, connected_to
from tests.common.wire.tls_files import HUB, PACS, context_of, expired, issued, policy
from tests.strategies import a_report, a_scan

REFUSED = (
    r"peer refuses this unit's certificate|may have refused this unit's certificate, see its log"
)


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
    assert heard[0] == Hello(PACS)
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


def test_tls_1_2_is_still_spoken(good: Path) -> None:
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
    """What both are told: Fr-HUB dials (asyncio), Fr-PACS listens (threads)."""
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
    """What both are told: Fr-PACS connects (threads), Fr-HUB listens (asyncio)."""
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


def test_the_right_certificates_are_welcome_both_ways(good: Path) -> None:
    assert hub_to_pacs(policy(good, HUB), policy(good, PACS)) == ("welcome", "welcome")
    assert pacs_to_hub(policy(good, PACS), policy(good, HUB)) == ("welcome", "welcome")


def test_a_certificate_of_an_unknown_authority_is_refused(good: Path, other: Path) -> None:
    # Who connects trusts both, so that it is the other end that refuses.
    said, heard = hub_to_pacs(policy(other, HUB, good), policy(good, PACS))
    assert re.search(REFUSED, said)
    assert "this unit refuses the peer's certificate" in heard
    said, heard = pacs_to_hub(policy(other, PACS, good), policy(good, HUB))
    assert re.search(REFUSED, said)
    assert "unable to get local issuer" in heard or "self-signed" in heard


def test_a_listener_of_an_unknown_authority_is_refused(good: Path, other: Path) -> None:
    said, heard = hub_to_pacs(policy(good, HUB), policy(other, PACS, good))
    assert said.startswith("unauthenticated: this unit refuses the peer's certificate")
    assert re.search(REFUSED, heard)
    said, heard = pacs_to_hub(policy(good, PACS), policy(other, HUB, good))
    assert said.startswith("unauthenticated: this unit refuses the peer's certificate")
    assert "unknown ca" in heard


def test_an_expired_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = issued(tmp_path, HUB)
    expired(folder, PACS, monkeypatch)
    said, heard = pacs_to_hub(policy(folder, PACS), policy(folder, HUB))
    assert re.search(REFUSED, said)
    assert "certificate has expired" in heard
    said, heard = hub_to_pacs(policy(folder, HUB), policy(folder, PACS))
    assert "certificate has expired" in said
    assert re.search(REFUSED, heard)


def test_a_certificate_of_another_name_is_refused(good: Path) -> None:
    said, heard = pacs_to_hub(policy(good, "pacs-2"), policy(good, HUB))
    reason = "the peer calls itself 'pacs-1' but its certificate belongs to 'pacs-2'"
    assert said.startswith(f"unauthenticated: {reason}")
    assert heard.startswith(f"unauthenticated: {reason}")
    said, heard = hub_to_pacs(policy(good, PACS), policy(good, PACS))
    assert "calls itself 'fr-hub' but its certificate belongs to 'pacs-1'" in said
    assert "calls itself 'fr-hub' but its certificate belongs to 'pacs-1'" in heard


def test_who_answers_in_anothers_place_is_refused(good: Path) -> None:
    said, _ = pacs_to_hub(policy(good, PACS), policy(good, "pacs-2"))
    assert "calls itself 'fr-hub' but its certificate belongs to 'pacs-2'" in said
    said, _ = hub_to_pacs(policy(good, HUB), policy(good, "pacs-2"))
    assert "calls itself 'pacs-1' but its certificate belongs to 'pacs-2'" in said
    said, _ = hub_to_pacs(policy(good, HUB), policy(good, PACS), meant="pacs-2")
    assert "the peer is 'pacs-1', not 'pacs-2'" in said


def test_only_fr_hub_brings_reports(good: Path) -> None:
    with listening(policy(good, PACS), answer_reports) as port:

        async def test() -> None:
            channel = await connected(port, policy(good, "pacs-2"))
            with pytest.raises(ProtocolError, match="the peer is 'pacs-2', not 'fr-hub'"):
                await channel.greet("pacs-2", PACS)
            channel.abort()

        run(test())


def test_plaintext_to_a_tls_port_is_refused(good: Path) -> None:
    for said, heard in (
        pacs_to_hub(PLAIN, policy(good, HUB)),
        hub_to_pacs(PLAIN, policy(good, PACS)),
    ):
        assert "TLS" in said or "closed the connection" in said
        assert heard.startswith("unauthenticated: the peer does not use TLS: set TLS_CERT")


def test_tls_to_a_plaintext_port_is_refused(good: Path) -> None:
    for said, heard in (
        pacs_to_hub(policy(good, PACS), PLAIN),
        hub_to_pacs(policy(good, HUB), PLAIN),
    ):
        assert said.startswith("unauthenticated: the peer does not use TLS: set TLS_CERT")
        assert heard.startswith("unauthenticated: the peer uses TLS and this unit does not")


@pytest.mark.parametrize("old", ["TLSv1", "TLSv1_1"])
def test_an_old_tls_is_refused(good: Path, old: str) -> None:
    heard: list[str] = []

    def handle(channel: Channel) -> None:
        with pytest.raises(ProtocolError) as raised:
            channel.welcome(PACS, 8)
        heard.append(str(raised.value))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = context_of(good, HUB, ssl.TLSVersion[old])
    with listening(policy(good, PACS), handle) as port:
        plain = socket.create_connection((LOOPBACK, port), WITHIN_S)
        with plain, pytest.raises(ssl.SSLError, match=r"(?i)version"):
            context.wrap_socket(plain)
    assert heard == [
        "unauthenticated: the peer and this unit share no TLS version: "
        "use 1.2 or newer at both ends"
    ]


def test_who_shows_no_certificate_is_refused(good: Path) -> None:
    heard: list[str] = []

    def handle(channel: Channel) -> None:
        with pytest.raises(ProtocolError) as raised:
            channel.welcome(PACS, 8)
        heard.append(str(raised.value))

    context = context_of(good, None, ssl.TLSVersion.TLSv1_3)
    with listening(policy(good, PACS), handle) as port:
        plain = socket.create_connection((LOOPBACK, port), WITHIN_S)
        with plain, context.wrap_socket(plain) as secured, contextlib.suppress(OSError):
            secured.recv(1)
    assert heard == [
        "unauthenticated: the peer presented no certificate: "
        "set TLS_CERT, TLS_KEY and TLS_CA at both ends, or at neither"
    ]


def test_who_says_nothing_in_tls_is_let_go(good: Path) -> None:
    ended: list[str] = []

    def handle(channel: Channel) -> None:
        with pytest.raises(PeerAway) as raised:
            channel.welcome(PACS, 8)
        ended.append(str(raised.value))

    with listening(policy(good, PACS, handshake_timeout_s=0.2), handle) as port:  # noqa: SIM117
        with connected_to(port) as silent:
            assert silent.recv(1) == b""
    assert ended == ["the peer did not complete the TLS handshake in time"]

    async def test() -> None:
        told = asyncio.get_running_loop().create_future()

        async def never(_: AsyncChannel) -> None:
            raise AssertionError

        server = await serve(
            (LOOPBACK, 0),
            Side.SCAN_RECEIVER,
            LIMIT,
            IDLE_S,
            never,
            policy(good, HUB, handshake_timeout_s=0.2),
            lambda error, _: told.set_result(error),
        )
        async with server:
            with socket.create_connection(server.sockets[0].getsockname(), WITHIN_S):
                assert isinstance(await told, PeerAway)

    run(test())


def test_a_connection_that_is_no_tls_can_be_tried_again(good: Path) -> None:
    """What is wrong may be at the other end, or be a protocol that changes bits."""
    error = refusal_of(good, PLAIN)
    assert (error.code, error.retry) == (Refusal.UNAUTHENTICATED, True)


def test_a_certificate_that_is_refused_is_not_tried_again(good: Path, other: Path) -> None:
    error = refusal_of(good, policy(other, PACS))
    assert (error.code, error.retry) == (Refusal.UNAUTHENTICATED, False)
    assert "make certs" in error.reason


def refusal_of(good: Path, answering: ConnectionPolicy) -> ProtocolError:
    """What who connects is told by a peer on these terms."""
    with listening(answering, answer_reports) as port:
        aside = Aside(
            lambda: Channel.connect(
                (LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S, policy(good, PACS)
            )
        )
        error = aside.result()
    assert isinstance(error, ProtocolError)
    return error
