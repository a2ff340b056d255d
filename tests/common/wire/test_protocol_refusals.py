"""What is not a message, not allowed or not whole is refused, and says no more than it must."""

import struct
from typing import Any

import bson
import pytest
from bson import Int64
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ProtocolError, Refusal
from common.wire.constants import PROTOCOL_VERSION
from common.wire.frames import encode
from common.wire.messages import TYPES, Hello, Message, Ping, Pong, Proof, Scan, Welcome
from common.wire.protocol import Side, WireProtocol
from tests.common.wire.frames import (
    EXAMPLES,
    LIMIT,
    RANDOM,
    SENDERS,
    TELLTALE,
    events_of,
    frame_of,
    opened_protocol,
    protocol_for,
    refused,
)
from tests.strategies import a_scan, texts

BEFORE = {
    Side.SCAN_SENDER: {"challenge", "welcome", "nack"},
    Side.REPORT_SENDER: {"challenge", "welcome", "nack"},
    Side.SCAN_RECEIVER: {"hello"},
    Side.REPORT_RECEIVER: {"hello"},
}
AFTER = {
    Side.SCAN_SENDER: {"ack", "nack", "busy", "pong"},
    Side.REPORT_SENDER: {"ack", "nack", "pong"},
    Side.SCAN_RECEIVER: {"scan", "chunk", "request", "ping"},
    Side.REPORT_RECEIVER: {"labels", "chunk", "report", "failed", "ping"},
}
FIELDS = sorted({name for _, message in EXAMPLES for name in message.body()})
BY_TYPE = {message.t: message for _, message in EXAMPLES}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("kind", TYPES)
def test_each_side_takes_the_messages_of_its_place_and_no_others(
    side: Side, kind: str, after: bool
) -> None:
    protocol = opened_protocol(side) if after else WireProtocol(side, LIMIT)
    message = BY_TYPE[kind]
    if kind in (AFTER if after else BEFORE)[side]:
        protocol.receive_data(encode(message))
        assert [event.t for event in events_of(protocol)] == [kind]  # type: ignore[union-attr]
    else:
        error = refused(protocol, encode(message))
        if (
            kind == "chunk" and not after
        ):  # not even read: it is too long for an unauthenticated peer
            assert error.code is Refusal.TOO_LARGE
            return
        assert error.code is Refusal.UNEXPECTED
        assert kind in error.reason
        assert ("before the handshake " in error.reason) is not after


@pytest.mark.parametrize("kind", ["nothing", "", "Scan", 7, None, ["scan"], b"scan"])
def test_an_unknown_message_is_refused(kind: Any) -> None:
    assert (
        refused(opened_protocol(Side.SCAN_RECEIVER), frame_of({"t": kind})).code
        is Refusal.UNEXPECTED
    )


def test_a_message_without_a_type_is_refused() -> None:
    assert refused(opened_protocol(Side.SCAN_RECEIVER), frame_of({})).code is Refusal.UNEXPECTED


@pytest.mark.parametrize("version", [PROTOCOL_VERSION + 1, 2, 0, -1, 2**62])
@pytest.mark.parametrize("side", Side)
def test_another_protocol_version_is_refused_and_the_side_to_upgrade_named(
    side: Side, version: int
) -> None:
    # Whatever else it carries: another version may have other fields.
    hello = {"t": "hello", "name": TELLTALE, "version": Int64(version), "features": 7}
    protocol = WireProtocol(side, LIMIT)
    error = refused(protocol, frame_of({**hello, "t": "welcome"} if side in SENDERS else hello))
    assert error.code is Refusal.VERSION
    hub = side in (Side.SCAN_RECEIVER, Side.REPORT_SENDER)
    ours, theirs = ("Fr-HUB", "Fr-PACS") if hub else ("Fr-PACS", "Fr-HUB")
    older = ours if version > PROTOCOL_VERSION else theirs
    assert error.reason == (
        f"{theirs} speaks protocol version {version}, {ours} version {PROTOCOL_VERSION}: "
        f"upgrade {older} to the release of the other"
    )
    assert not protocol.is_open


# --- frames ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 4, 5, 15])
def test_a_length_that_no_message_can_have_is_refused(length: int) -> None:
    error = refused(WireProtocol(Side.SCAN_RECEIVER, LIMIT), struct.pack("<i", length))
    assert error.code is Refusal.MALFORMED


@pytest.mark.parametrize("length", [LIMIT + 1, 2**31 - 1])
def test_a_frame_over_the_limit_is_refused_from_its_first_four_bytes(length: int) -> None:
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    protocol.receive_data(struct.pack("<i", length)[:3])
    assert protocol.next_event() is None
    error = refused(protocol, struct.pack("<i", length)[3:])
    assert error.code is Refusal.TOO_LARGE
    assert str(length) in error.reason
    assert str(LIMIT) in error.reason


def test_nothing_is_kept_of_what_comes_after_a_refusal() -> None:
    protocol = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    refused(protocol, struct.pack("<i", LIMIT + 1))
    before = len(protocol._buffer)
    protocol.receive_data(bytes(100_000))
    assert len(protocol._buffer) == before


def test_a_frame_of_exactly_the_limit_is_taken() -> None:
    frame = encode(BY_TYPE["chunk"])
    protocol = opened_protocol(Side.SCAN_RECEIVER, len(frame))
    protocol.receive_data(frame)
    assert events_of(protocol) == [BY_TYPE["chunk"]]
    error = refused(opened_protocol(Side.SCAN_RECEIVER, len(frame) - 1), frame)
    assert error.code is Refusal.TOO_LARGE


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n", b"SSH-2.0-x\r\n", b"hello, Fr\n"]
)
def test_a_text_is_told_what_this_port_speaks(first: bytes) -> None:
    for size in (len(first), 4):
        error = refused(WireProtocol(Side.SCAN_RECEIVER, LIMIT), first[:size])
        assert error.code is Refusal.MALFORMED
        assert error.reason.startswith("this port speaks Fr's protocol")
        assert "FRAME_LIMIT_KIB" not in error.reason


def test_zeros_are_refused() -> None:
    error = refused(WireProtocol(Side.SCAN_RECEIVER, LIMIT), bytes(64))
    assert error.code is Refusal.MALFORMED


@pytest.mark.parametrize(
    "first", [b"\x16\x03\x01\x02\x00\x01\x00", b"\x15\x03\x01\x00\x02\x02\x46"]
)
def test_tls_where_none_is_expected_is_named_in_the_refusal(first: bytes) -> None:
    error = refused(WireProtocol(Side.SCAN_RECEIVER, LIMIT), first)
    assert error.code is Refusal.UNAUTHENTICATED
    assert "TLS_CERT" in error.reason


def test_before_the_handshake_is_complete_a_frame_is_short_whatever_the_limit() -> None:
    protocol = WireProtocol(Side.SCAN_RECEIVER, 2**24)
    error = refused(protocol, struct.pack("<i", 8 * 1024 + 1))
    assert error.code is Refusal.TOO_LARGE
    assert "before the handshake " in error.reason


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | texts
    | st.binary(max_size=10)
    | st.sampled_from([bson.ObjectId(), bson.MinKey(), bson.Regex("a"), bson.Timestamp(1, 1)]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["scan_id", "shape", "affine", "a", "$ref"]), inner, max_size=3
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(EXAMPLES),
    st.dictionaries(
        st.sampled_from(FIELDS),
        values,
        max_size=4,
    ),
)
def test_any_document_gives_a_message_or_a_refusal_and_nothing_else(
    example: tuple[Side, Message], changes: dict[str, Any]
) -> None:
    side, message = example
    protocol = protocol_for(side, message)
    protocol.receive_data(frame_of({"t": message.t, **message.body(), **changes}))
    try:
        event = protocol.next_event()
    except ProtocolError:
        assert refused(protocol).reason
    else:
        assert event is not None


def test_the_handshake_happens_once() -> None:
    protocol = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    protocol.receive_data(encode(Hello("a")) + encode(Hello("b")))
    assert protocol.next_event() == Hello("a")
    assert refused(protocol).code is Refusal.UNEXPECTED
    again = WireProtocol(Side.SCAN_SENDER, LIMIT)
    again.receive_data(encode(Welcome("a", 1)) + encode(Welcome("a", 1)) + encode(Pong()))
    assert again.next_event() == Welcome("a", 1)
    assert refused(again).code is Refusal.UNEXPECTED


@pytest.mark.parametrize("early", [Scan(a_scan(), b"voxels.."), Ping(), Hello("pacs-1")], ids=str)
def test_until_the_proof_is_checked_no_other_message_is_allowed(early: Message) -> None:
    protocol = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    protocol.receive_data(encode(Hello("pacs-1", nonce=RANDOM)))
    assert protocol.next_event() == Hello("pacs-1", nonce=RANDOM)
    assert not protocol.is_open
    assert refused(protocol, encode(early)).code is Refusal.UNEXPECTED


def test_a_proof_alone_opens_nothing() -> None:
    protocol = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    protocol.receive_data(encode(Hello("pacs-1", nonce=RANDOM)) + encode(Proof(RANDOM)))
    protocol.next_event()
    assert protocol.next_event() == Proof(RANDOM)
    assert not protocol.is_open
    protocol.complete_handshake()
    protocol.receive_data(encode(Ping()))
    assert protocol.next_event() == Ping()
