"""What a relay can do to frames that carry a MAC: nothing that goes unnoticed."""

import struct
from collections.abc import Callable

import bson
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ProtocolError, Refusal
from common.wire.frame_checks import CHECKSUM, MAC_BYTES, Mac
from common.wire.frames import decode, encode
from common.wire.messages import Ack, Busy, Chunk, Message, Ping, Pong
from common.wire.protocol import Side, WireProtocol
from tests.common.wire.frames import EXAMPLES, LIMIT, events_of, opened_protocol, refused

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SAID = (Ack(("scan-1",)), Busy("scan-2", 1000), Ack(("scan-3",)), Pong())


def protected(side: Side = Side.SCAN_SENDER, key: bytes = KEY) -> WireProtocol:
    """A protocol whose handshake is complete, with MACs both ways."""
    protocol = opened_protocol(side)
    protocol.protect(Mac(key), Mac(OTHER))
    return protocol


def frames(key: bytes = KEY) -> list[bytes]:
    mac = Mac(key)
    return [encode(message, mac) for message in SAID]


def heard(protocol: WireProtocol, data: bytes) -> list[object]:
    """The messages before the refusal; that there is one is demanded."""
    protocol.receive_data(data)
    events: list[object] = []
    with pytest.raises(ProtocolError, match="damaged") as raised:
        events.extend(iter(protocol.next_event, None))
    del raised
    return events


@pytest.mark.parametrize(("side", "message"), EXAMPLES, ids=lambda value: getattr(value, "t", ""))
def test_each_message_arrives_as_often_as_it_is_sent(side: Side, message: Message) -> None:
    if message.t in ("hello", "challenge", "proof", "welcome"):
        return
    protocol, mac = protected(side), Mac(KEY)
    for _ in range(3):
        protocol.receive_data(encode(message, mac))
    assert events_of(protocol) == [message] * 3


def test_a_mac_is_keyed_blake3_of_the_bytes_before_it_and_of_the_count() -> None:
    mac = Mac(KEY)
    for count in range(3):
        frame = encode(Ping(), mac)
        checked = frame[: -MAC_BYTES - 1]
        value = blake3(checked + struct.pack("<Q", count), key=KEY).digest()[:MAC_BYTES]
        assert frame == checked + value + b"\0"
        assert bson.decode(frame) == {"t": "ping", "x": value}


def test_a_chunk_is_the_frame_that_bson_makes_of_it() -> None:
    voxels = bytes(range(200))
    frame = encode(Chunk("scan-1", 7, memoryview(voxels)), Mac(KEY))
    document = {"t": "chunk", "id": "scan-1", "n": 7, "voxels": voxels, "x": bytes(MAC_BYTES)}
    checked = bson.encode(document)[: -MAC_BYTES - 1]
    assert frame == checked + Mac(KEY).value(checked) + b"\0"


@pytest.mark.parametrize(
    "relayed",
    [
        lambda sent: [sent[0], sent[2], sent[3]],  # one left out
        lambda sent: [sent[0], sent[0], sent[1]],  # one repeated
        lambda sent: [sent[0], sent[2], sent[1]],  # two exchanged
        lambda sent: [sent[0], frames(OTHER)[1]],  # one of another connection, or of our own
        lambda sent: [sent[0], encode(SAID[1])],  # one without a MAC
    ],
)
def test_what_a_relay_does_to_the_order_of_frames_ends_the_connection(
    relayed: Callable[[list[bytes]], list[bytes]],
) -> None:
    assert heard(protected(), b"".join(relayed(frames()))) == [SAID[0]]


def test_a_frame_that_is_reflected_to_its_author_ends_the_connection() -> None:
    """Both ends of a connection for scans take pings, or pongs; keys differ by direction."""
    hub = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    hub.protect(Mac(KEY), Mac(OTHER))
    sent = hub.encode(Pong())
    back = opened_protocol(Side.SCAN_SENDER)
    back.protect(Mac(KEY), Mac(OTHER))
    assert refused(back, sent).code is Refusal.MALFORMED


@given(st.data())
def test_any_changed_byte_is_refused(data: st.DataObject) -> None:
    frame = bytearray(frames()[0])
    frame[data.draw(st.integers(4, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    assert refused(protected(), bytes(frame)).code is Refusal.MALFORMED


def test_a_changed_frame_with_a_right_checksum_is_refused() -> None:
    """As by a relay, which can compute XXH3 as well as anybody."""
    assert refused(protected(), encode(Ack(("scan-9",)))).code is Refusal.MALFORMED


def test_the_shortest_frames_have_no_room_for_a_mac() -> None:
    for size in range(16, 40):
        short = memoryview(struct.pack("<i", size) + bytes(size - 4))
        for check in (CHECKSUM, Mac(KEY)):
            with pytest.raises(ProtocolError, match="damaged"):
                decode(short, check)
