"""The blocking channel. The listener and the asyncio side have files of their own."""

import socket
import time

import pytest

from common.errors import PeerAway, ProtocolError, Refusal
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import FEATURES, PROTOCOL_VERSION
from common.wire.frames import encode
from common.wire.messages import (
    Ack,
    Chunk,
    Hello,
    InvalidMessage,
    Nack,
    Ping,
    Pong,
    Report,
    Scan,
    Welcome,
)
from common.wire.protocol import Side, WireProtocol
from tests.common.wire.frames import frame_of
from tests.common.wire.peers import (
    LIMIT,
    LOOPBACK,
    PLAIN,
    WITHIN_S,
    Aside,
    channel_to_bare,
    channels,
    free_port,
    reset,
    told,
)
from tests.strategies import a_report, a_scan

SENDER, RECEIVER = Side.SCAN_SENDER, Side.SCAN_RECEIVER
HELLO = Hello("pacs-1", features=FEATURES)
WELCOME = Welcome("fr-hub", 8, features=FEATURES)


def read_all(peer: socket.socket) -> bytes:
    data = b""
    while piece := peer.recv(65536):
        data += piece
    return data


def test_two_channels_greet_and_talk() -> None:
    with channels(SENDER, RECEIVER) as (pacs, hub):
        greeting = Aside(lambda: pacs.greet("pacs-1"))
        assert hub.welcome("fr-hub", 8) == HELLO
        assert greeting.result() == WELCOME
        pacs.send(Scan(a_scan(), b"voxels.."), Ping())
        assert hub.receive(WITHIN_S) == Scan(a_scan(), b"voxels..")
        hub.send(Ack(("scan-1",)))
        assert hub.receive(0.05) is None, "a ping is answered, not returned"
        assert pacs.receive(WITHIN_S) == Ack(("scan-1",))


def test_reports_go_the_other_way() -> None:
    with channels(Side.REPORT_SENDER, Side.REPORT_RECEIVER) as (hub, pacs):
        greeting = Aside(lambda: hub.greet("fr-hub"))
        assert pacs.welcome("pacs-1", 8) == Hello("fr-hub", features=FEATURES)
        assert greeting.result() == Welcome("pacs-1", 8, features=FEATURES)
        hub.send(Report(a_report()))
        assert pacs.receive(WITHIN_S) == Report(a_report())


def test_receive_returns_none_when_nothing_came_in_time() -> None:
    with channel_to_bare(SENDER) as (channel, _):
        assert channel.receive(0) is None
        start = time.monotonic()
        assert channel.receive(0.1) is None
        assert 0.1 <= time.monotonic() - start < 2


def test_another_version_is_refused_and_the_peer_is_told() -> None:
    with channels(SENDER, RECEIVER) as (pacs, hub):
        pacs.send(Hello("pacs-1", PROTOCOL_VERSION + 1))
        with pytest.raises(ProtocolError) as raised:
            hub.welcome("fr-hub", 8)
        assert raised.value.code is Refusal.VERSION
        answer = pacs.receive(WITHIN_S)
        assert isinstance(answer, Nack)
        assert (answer.id, answer.code, answer.retry) == (None, Refusal.VERSION, False)
        assert f"version {PROTOCOL_VERSION + 1}" in answer.reason
        with pytest.raises(PeerAway, match="closed the connection"):
            pacs.receive(WITHIN_S)


def test_a_refused_handshake_raises_the_reason_of_the_peer() -> None:
    with channel_to_bare(SENDER) as (channel, peer):
        peer.sendall(encode(Nack(None, Refusal.UNKNOWN_PACS, "who?", retry=True)))
        with pytest.raises(ProtocolError) as raised:
            channel.greet("pacs-1")
        assert raised.value.code is Refusal.UNKNOWN_PACS
        assert raised.value.reason == "who?"
        assert raised.value.retry
        assert read_all(peer) == encode(HELLO), "closed after the refusal"


def test_a_peer_that_talks_another_protocol_is_refused() -> None:
    with channel_to_bare(RECEIVER) as (channel, peer):
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ProtocolError):
            channel.welcome("fr-hub", 8)
        protocol = WireProtocol(SENDER, LIMIT)
        protocol.receive_data(read_all(peer))
        answer = protocol.next_event()
        assert isinstance(answer, Nack)
        assert answer.id is None
        with pytest.raises(ProtocolError):
            channel.receive(0)


def test_an_invalid_message_is_an_event_and_the_connection_continues() -> None:
    with channel_to_bare(RECEIVER) as (channel, peer):
        wrong = {"t": "scan", "scan": {"scan_id": "scan-1"}}
        peer.sendall(encode(HELLO) + frame_of(wrong) + encode(Chunk("scan-1", 0, b"x")))
        channel.welcome("fr-hub", 8)
        assert isinstance(channel.receive(WITHIN_S), InvalidMessage)
        assert channel.receive(WITHIN_S) == Chunk("scan-1", 0, b"x")


# --- connections that end -----------------------------------------------------------------------


def test_nobody_there_is_peer_away_with_the_address() -> None:
    port = free_port()
    with pytest.raises(PeerAway, match=f"{LOOPBACK}:{port}: Connection refused"):
        Channel.connect((LOOPBACK, port), SENDER, LIMIT, 5, 5, PLAIN)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
def test_a_name_that_no_host_can_have_is_peer_away(host: str) -> None:
    with pytest.raises(PeerAway, match="not a valid host name"):
        Channel.connect((host, 7301), SENDER, LIMIT, 5, 5, PLAIN)


@pytest.mark.parametrize("cut", [1, 3, 4, 20])
def test_a_connection_cut_in_the_middle_of_a_message_is_reported_as_such(cut: int) -> None:
    with channel_to_bare(SENDER) as (channel, peer):
        peer.sendall(encode(WELCOME)[:cut])
        peer.close()
        with pytest.raises(PeerAway, match="in the middle of a message"):
            channel.receive(WITHIN_S)


def test_a_connection_closed_between_messages_is_reported_as_such() -> None:
    with channel_to_bare(SENDER) as (channel, peer):
        peer.sendall(encode(WELCOME))
        peer.close()
        assert channel.receive(WITHIN_S) == WELCOME
        with pytest.raises(PeerAway) as raised:
            channel.receive(WITHIN_S)
        assert "middle" not in str(raised.value)


def test_a_reset_connection_is_peer_away() -> None:
    with channel_to_bare(SENDER) as (channel, peer):
        reset(peer)
        with pytest.raises(PeerAway, match="reset"):
            channel.receive(WITHIN_S)
        with pytest.raises(PeerAway):
            channel.send(HELLO)


def test_a_peer_that_accepts_and_never_answers_is_peer_away() -> None:
    with channel_to_bare(SENDER, policy=ConnectionPolicy(handshake_timeout_s=0.1)) as (
        channel,
        peer,
    ):
        with pytest.raises(PeerAway, match="did not complete the handshake"):
            channel.greet("pacs-1")
        assert read_all(peer) == encode(HELLO), "closed after that"


def test_a_peer_that_connects_and_sends_nothing_is_told_and_disconnected() -> None:
    with channel_to_bare(RECEIVER, policy=ConnectionPolicy(handshake_timeout_s=0.1)) as (
        channel,
        peer,
    ):
        with pytest.raises(PeerAway, match="did not complete the handshake"):
            channel.welcome("fr-hub", 8)
        nack = told(peer)
        assert (nack.code, nack.retry) == (Refusal.LIMIT, True)
        assert "the handshake was not complete after 0.1 s" in nack.reason


def test_a_peer_that_never_reads_ends_a_send() -> None:
    with channel_to_bare(SENDER, idle_s=0.2) as (channel, _):
        piece = Chunk("scan-1", 0, bytes(255 * 1024))
        with pytest.raises(PeerAway, match="timed out"):  # noqa: PT012 - buffers fill first
            for _ in range(200):
                channel.send(piece)
        with pytest.raises(PeerAway):
            channel.send(Ping())


# --- time --------------------------------------------------------------------------------------


def test_a_silent_peer_is_disconnected_after_the_idle_time() -> None:
    with channel_to_bare(RECEIVER, idle_s=0.2) as (channel, peer):
        start = time.monotonic()
        with pytest.raises(PeerAway, match=r"silent for 0\.2 s"):
            channel.receive(WITHIN_S)
        assert 0.2 <= time.monotonic() - start < 2
        assert read_all(peer) == b""


def test_pings_keep_an_idle_connection_open() -> None:
    idle = 0.3
    with channels(SENDER, RECEIVER, idle) as (pacs, hub):
        pacs.send(HELLO)
        hub.receive(WITHIN_S)
        hub.send(WELCOME)
        pacs.receive(WITHIN_S)
        listening = Aside(lambda: hub.receive(4 * idle))
        assert pacs.receive(4 * idle) is None
        assert listening.result() is None


def test_a_peer_that_does_not_answer_pings_is_disconnected() -> None:
    with channel_to_bare(SENDER, idle_s=0.3) as (channel, peer):
        peer.sendall(encode(WELCOME))
        channel.receive(WITHIN_S)
        with pytest.raises(PeerAway, match="silent"):
            channel.receive(WITHIN_S)
        assert encode(Ping()) in read_all(peer)


def test_what_came_while_nobody_listened_is_no_silence() -> None:
    with channel_to_bare(SENDER, idle_s=0.2) as (channel, peer):
        peer.sendall(encode(WELCOME) + encode(Pong()))
        assert channel.receive(WITHIN_S) == WELCOME
        peer.sendall(encode(Ack(("scan-1",))))
        time.sleep(0.5)
        assert channel.receive(WITHIN_S) == Ack(("scan-1",))


# --- closing -----------------------------------------------------------------------------------


def test_close_wakes_a_reader_and_can_be_repeated() -> None:
    with channel_to_bare(SENDER) as (channel, _):
        reader = Aside(lambda: channel.receive(WITHIN_S))
        time.sleep(0.1)
        start = time.monotonic()
        channel.close()
        assert isinstance(reader.result(), PeerAway)
        assert time.monotonic() - start < 2
        channel.close()


def test_a_closed_channel_is_peer_away() -> None:
    with channel_to_bare(SENDER) as (channel, _):
        channel.close()
        with pytest.raises(PeerAway):
            channel.send(Ping())
        with pytest.raises(PeerAway):
            channel.receive(0)
