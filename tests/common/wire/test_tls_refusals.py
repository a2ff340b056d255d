"""Each refusal in TLS on real sockets: what the client learns, and what the server learns."""

import asyncio
import contextlib
import re
import socket
import ssl
import warnings
from pathlib import Path

import pytest

from common.errors import PeerAway, ProtocolError, Refusal
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import serve
from common.wire.blocking_connection import Channel
from common.wire.protocol import Side
from tests.common.wire.async_peers import run
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, PLAIN, WITHIN_S, connected_to
from tests.common.wire.tls_files import HUB, PACS, context_of, expired, issued, policy
from tests.common.wire.tls_peers import (
    answer_reports,
    connected,
    hub_to_pacs,
    listening,
    pacs_to_hub,
    refusal_of,
)

REFUSED = (
    r"peer refuses this unit's certificate|may have refused this unit's certificate, see its log"
)
"""What a unit learns when its peer refuses it: the peer's alert, if that came before the close."""


def test_a_certificate_of_an_unknown_authority_is_refused(good: Path, other: Path) -> None:
    # The client trusts both authorities, so that the server refuses.
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
    # It may know by itself, or be told.
    own = f"{REFUSED}|the certificate of 'pacs-1' expired at .* make certs"
    assert re.search(own, said)
    assert "certificate has expired" in heard
    said, heard = hub_to_pacs(policy(folder, HUB), policy(folder, PACS))
    assert "certificate has expired" in said
    assert re.search(own, heard)


def test_a_certificate_of_another_name_is_refused(good: Path) -> None:
    said, heard = pacs_to_hub(policy(good, "pacs-2"), policy(good, HUB))
    reason = "the peer calls itself 'pacs-1' but its certificate belongs to 'pacs-2'"
    assert said.startswith(f"unauthenticated: {reason}")
    assert heard.startswith(f"unauthenticated: {reason}")
    said, heard = hub_to_pacs(policy(good, PACS), policy(good, PACS))
    assert "calls itself 'fr-hub' but its certificate belongs to 'pacs-1'" in said
    assert "calls itself 'fr-hub' but its certificate belongs to 'pacs-1'" in heard


def test_a_server_in_another_units_place_is_refused(good: Path) -> None:
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


def test_a_client_without_a_certificate_is_refused(good: Path) -> None:
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


def test_a_client_that_sends_nothing_in_tls_is_disconnected(good: Path) -> None:
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
