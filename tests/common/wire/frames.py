"""What the tests of the wire share: an example of each message, and frames made by hand."""

import struct
from collections.abc import Mapping
from typing import Any

import bson
import pytest

from common.domain.bit_planes import BitPlanes
from common.domain.label_maps import PackedMap, values_of
from common.domain.labels_header import LabelsHeader
from common.domain.scan import Packing
from common.domain.types import hash_voxels
from common.errors import ProtocolError, Refusal
from common.wire.constants import INLINE_VOXELS_MAX, NONCE_BYTES
from common.wire.frame_checks import CHECKSUM, FrameCheck
from common.wire.frames import encode
from common.wire.messages import (
    Ack,
    Busy,
    Challenge,
    Chunk,
    Event,
    Failed,
    Hello,
    InvalidMessage,
    Labels,
    Message,
    Nack,
    Ping,
    Pong,
    Proof,
    Report,
    ReportRequest,
    Scan,
    Welcome,
)
from common.wire.protocol import Side, WireProtocol
from tests.strategies import UNIT_AFFINE, a_report, a_scan

LIMIT = 512 * 1024
TELLTALE = "Telltale-Subject"
"""Stands for what no error may carry."""

RANDOM = bytes(range(NONCE_BYTES))
LARGE = bytes(INLINE_VOXELS_MAX + 8)

LABELS = LabelsHeader(
    scan_id="scan-1",
    revision=2,
    shape=(4, 5, 6),
    affine=UNIT_AFFINE,
    maps=(
        PackedMap(
            name="lesions",
            values=values_of({1: "lesion"}, {1: 3}),
            offset=0,
            packing=Packing(codec="blosc", bytes=30, hash=hash_voxels(b"")),
            planes=BitPlanes(
                bits=1,
                order=(2, 1, 0),
                flipped=(False, True, False),
                start=(0, 1, 2),
                shape=(6, 4, 2),
            ),
        ),
        PackedMap(
            name="brain",
            values=values_of({1: "brain"}, {1: 60}),
            offset=30,
            packing=Packing(codec="blosc", bytes=40, hash=hash_voxels(b"x")),
        ),
    ),
)

SENDERS = (Side.SCAN_SENDER, Side.REPORT_SENDER)

EXAMPLES: tuple[tuple[Side, Message], ...] = (
    # who receives it; after the handshake, unless it is part of that
    (Side.SCAN_RECEIVER, Hello("pacs-1")),
    (Side.SCAN_RECEIVER, Hello("pacs-1", nonce=RANDOM)),
    (Side.SCAN_SENDER, Challenge("fr-hub", RANDOM)),
    (Side.SCAN_RECEIVER, Proof(RANDOM)),
    (Side.REPORT_SENDER, Welcome("pacs-1", 1000)),
    (Side.REPORT_SENDER, Welcome("pacs-1", 1000, proof=RANDOM)),
    (Side.SCAN_RECEIVER, Scan(a_scan(), b"voxels..")),
    (Side.SCAN_RECEIVER, Scan(a_scan(LARGE, subject="p-17"))),
    (Side.SCAN_RECEIVER, Chunk("scan-1", 0, LARGE)),
    (Side.SCAN_RECEIVER, ReportRequest(("scan-1", "scan-2"))),
    (Side.SCAN_RECEIVER, Ping()),
    (Side.SCAN_SENDER, Ack(("scan-1", "scan-2"))),
    (Side.SCAN_SENDER, Ack(("scan-1", "scan-2"), known=("scan-2",))),
    (Side.SCAN_SENDER, Nack("scan-1", Refusal.HASH, "the voxels differ", retry=True)),
    (Side.SCAN_SENDER, Busy("scan-1", 1000)),
    (Side.SCAN_SENDER, Pong()),
    (Side.REPORT_RECEIVER, Report(a_report())),
    (Side.REPORT_RECEIVER, Failed("scan-1", "its voxels are damaged")),
    (Side.REPORT_RECEIVER, Labels(LABELS)),
    (Side.REPORT_RECEIVER, Chunk("scan-1", 0, LARGE)),
)


def opened_protocol(side: Side, limit: int = LIMIT) -> WireProtocol:
    """A protocol whose handshake is complete."""
    protocol = WireProtocol(side, limit)
    protocol.receive_data(encode(Welcome("other", 10) if side in SENDERS else Hello("other")))
    assert isinstance(protocol.next_event(), Hello | Welcome)
    return protocol


def protocol_for(side: Side, message: Message) -> WireProtocol:
    """A protocol that takes this message next."""
    if not isinstance(message, Hello | Challenge | Proof | Welcome):
        return opened_protocol(side)
    protocol = WireProtocol(side, LIMIT)
    if isinstance(message, Proof):
        protocol.receive_data(encode(Hello("pacs-1", nonce=RANDOM)))
        assert isinstance(protocol.next_event(), Hello)
    return protocol


def events_of(protocol: WireProtocol) -> list[Event]:
    """All events that are there."""
    return list(iter(protocol.next_event, None))


def checked(content: bytes, check: FrameCheck = CHECKSUM) -> bytes:
    """A frame of these BSON elements, with its length and a right check value."""
    size = 4 + len(content) + len(check.element) + check.value_bytes + 1
    frame = struct.pack("<i", size) + content + check.element
    return frame + check.value(frame) + b"\0"


def frame_of(body: Mapping[str, Any]) -> bytes:
    """A frame of any document, with a right check value."""
    return checked(bson.encode(body)[4:-1])


def refused(protocol: WireProtocol, data: bytes = b"") -> ProtocolError:
    """How the protocol refuses these bytes, now and from now on."""
    protocol.receive_data(data)
    with pytest.raises(ProtocolError) as raised:
        events_of(protocol)
    protocol.receive_data(encode(Ping()))
    for _ in range(2):
        with pytest.raises(ProtocolError) as again:
            protocol.next_event()
        assert again.value is raised.value
    return raised.value


def invalid_message_of(side: Side, document: dict[str, Any]) -> InvalidMessage:
    """How this document is refused, on a connection that continues."""
    protocol = opened_protocol(side)
    protocol.receive_data(frame_of(document) + encode(Ping()))
    invalid, following = events_of(protocol)
    assert isinstance(invalid, InvalidMessage)
    assert following == Ping()
    return invalid
