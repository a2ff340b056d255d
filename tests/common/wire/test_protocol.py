"""What is said arrives, however it is cut. Refusals are in test_protocol_refusals.py."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.wire.constants import CHUNK_BYTES, INLINE_VOXELS_MAX
from common.wire.frames import encode
from common.wire.messages import Ack, Chunk, Hello, Message, Ping, Pong, Report, Scan, Welcome
from common.wire.protocol import Side, WireProtocol
from common.wire.scan_transfer import ChunkVerifier, check_inline, scan_messages
from tests.common.wire.frames import (
    EXAMPLES,
    LARGE,
    LIMIT,
    events_of,
    opened_protocol,
    protocol_for,
)
from tests.strategies import a_scan, reports, scans

examples = pytest.mark.parametrize(
    ("side", "message"),
    EXAMPLES,
    ids=[f"{message.t}-{n}" for n, (_, message) in enumerate(EXAMPLES)],
)


@examples
def test_a_message_arrives_whole(side: Side, message: Message) -> None:
    protocol = protocol_for(side, message)
    protocol.receive_data(encode(message))
    assert events_of(protocol) == [message]
    assert not protocol.mid_frame


@examples
def test_a_message_arrives_byte_by_byte_and_not_before_its_last(
    side: Side, message: Message
) -> None:
    protocol = protocol_for(side, message)
    frame = encode(message)
    for n in range(len(frame) - 1):
        protocol.receive_data(frame[n : n + 1])
        # Each call looks only whether the frame is whole, so asking often costs little.
        assert protocol.next_event() is None
        assert protocol.mid_frame
    protocol.receive_data(frame[-1:])
    assert events_of(protocol) == [message]
    assert not protocol.mid_frame


@examples
def test_a_message_arrives_with_the_beginning_of_the_next(side: Side, message: Message) -> None:
    protocol = protocol_for(side, message)
    following = encode(Ping())
    protocol.receive_data(encode(message) + following[:5])
    assert events_of(protocol) == [message]
    assert protocol.mid_frame


def test_a_long_message_is_received_in_a_place_of_its_size() -> None:
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    long, short = encode(Chunk("scan-1", 0, bytes(CHUNK_BYTES))), encode(Ping())
    taken = 0
    while taken < len(long):
        buffer = protocol.get_buffer()
        assert taken < 64 * 1024 or len(buffer) == len(long) - taken
        count = min(len(buffer), 3 if taken < 4 else 100_000, len(long) - taken)
        buffer[:count] = long[taken : taken + count]
        protocol.buffer_updated(count)
        taken += count
        assert protocol.ready == (taken == len(long))
    protocol.receive_data(short)
    assert events_of(protocol) == [Chunk("scan-1", 0, bytes(CHUNK_BYTES)), Ping()]
    assert not protocol.ready


def test_what_a_peer_only_says_it_will_send_takes_no_memory() -> None:
    protocol, says = opened_protocol(Side.SCAN_RECEIVER), struct.pack("<i", LIMIT)
    protocol.receive_data(says)
    for came in (0, 10_000, 100_000):
        protocol.receive_data(bytes(came))
        assert len(protocol.get_buffer()) > 0
        assert len(protocol._buffer) <= 64 * 1024 + 5 * (len(says) + came + 10_000)


def test_an_idle_protocol_keeps_what_it_received_and_releases_its_buffer() -> None:
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    protocol.receive_data(encode(Chunk("scan-1", 0, bytes(CHUNK_BYTES))))
    assert len(events_of(protocol)) == 1
    assert len(protocol._buffer) >= CHUNK_BYTES
    protocol.release_buffer()
    assert len(protocol._buffer) == 0
    ping = encode(Ping())
    protocol.receive_data(ping[:5])
    protocol.release_buffer()
    protocol.receive_data(ping[5:])
    assert events_of(protocol) == [Ping()]


@examples
def test_a_message_says_the_same_again(side: Side, message: Message) -> None:
    protocol = protocol_for(side, message)
    protocol.receive_data(encode(message))
    event = protocol.next_event()
    assert event is not None
    assert encode(event) == encode(message)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 2**16), max_size=20), scans())
def test_any_cuts_give_the_same_messages(cuts: list[int], pair: tuple[BrainScan, bytes]) -> None:
    said: list[Message] = [Ping(), Scan(*pair), Ping(), Scan(*pair), Ping()]
    stream = b"".join(map(encode, said))
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    heard = []
    for start, end in pairwise(edges):
        protocol.receive_data(stream[start:end])
        heard += events_of(protocol)
    assert heard == said


@given(scans())
def test_any_small_scan_arrives_as_it_was(pair: tuple[BrainScan, bytes]) -> None:
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    (message,) = scan_messages(*pair)
    protocol.receive_data(encode(message))
    event = protocol.next_event()
    assert isinstance(event, Scan)
    assert (event.scan, event.voxels) == pair
    check_inline(event)


@given(reports)
def test_any_report_arrives_as_it_was(report: BrainReport) -> None:
    protocol = opened_protocol(Side.REPORT_RECEIVER)
    protocol.receive_data(encode(Report(report)))
    assert events_of(protocol) == [Report(report)]


def test_what_was_taken_is_kept_when_the_buffer_moves_on() -> None:
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    protocol.receive_data(encode(Chunk("scan-1", 0, b"a" * 1000)))
    first = protocol.next_event()
    protocol.receive_data(encode(Chunk("scan-1", 1, b"b" * 1000)))
    assert isinstance(first, Chunk)
    assert first.voxels == b"a" * 1000


@given(scans(), reports)
def test_two_peers_back_to_back_understand_each_other(
    pair: tuple[BrainScan, bytes], report: BrainReport
) -> None:
    pacs, hub = WireProtocol(Side.SCAN_SENDER, LIMIT), WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    scan_id = pair[0].scan_id
    assert not pacs.is_open
    assert not hub.is_open
    hub.receive_data(encode(Hello("pacs-1")))
    assert events_of(hub) == [Hello("pacs-1")]
    pacs.receive_data(encode(Welcome("fr-hub", 8)))
    assert events_of(pacs) == [Welcome("fr-hub", 8)]
    assert pacs.is_open
    assert hub.is_open
    hub.receive_data(encode(Scan(*pair)) + encode(Ping()))
    assert events_of(hub) == [Scan(*pair), Ping()]
    pacs.receive_data(encode(Pong()) + encode(Ack((scan_id,))))
    assert events_of(pacs) == [Pong(), Ack((scan_id,))]

    back, desk = WireProtocol(Side.REPORT_SENDER, LIMIT), WireProtocol(Side.REPORT_RECEIVER, LIMIT)
    desk.receive_data(encode(Hello("fr-hub")) + encode(Report(report)))
    assert events_of(desk) == [Hello("fr-hub"), Report(report)]
    back.receive_data(encode(Welcome("pacs-1", 8)) + encode(Ack((report.scan_id,))))
    assert events_of(back) == [Welcome("pacs-1", 8), Ack((report.scan_id,))]


@pytest.mark.parametrize(
    "size",
    [
        1,
        INLINE_VOXELS_MAX - 1,
        INLINE_VOXELS_MAX,
        INLINE_VOXELS_MAX + 2,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 2,
        2 * CHUNK_BYTES - 2,
        2 * CHUNK_BYTES,
        2 * CHUNK_BYTES + 2,
    ],
)
def test_a_scan_of_any_size_travels_in_bounded_messages(size: int) -> None:
    voxels = bytes(range(251)) * (size // 251 + 1)
    voxels = voxels[:size]
    scan = a_scan(voxels)
    hub = opened_protocol(Side.SCAN_RECEIVER)
    received: list[Message] = []
    for message in scan_messages(scan, voxels):
        frame = encode(message)
        assert len(frame) <= LIMIT
        hub.receive_data(frame)
        received += events_of(hub)  # type: ignore[arg-type]
    head, *chunks = received
    assert isinstance(head, Scan)
    assert head.scan == scan
    if size <= INLINE_VOXELS_MAX:
        assert not chunks
        assert head.voxels == voxels
        check_inline(head)
        return
    assert head.voxels is None
    verifier = ChunkVerifier(scan)
    assert verifier.chunks == len(chunks) == -(-size // CHUNK_BYTES)
    arrived = b""
    for chunk in chunks:
        assert not verifier.complete
        assert isinstance(chunk, Chunk)
        verifier.add(chunk)
        arrived += chunk.voxels
    assert verifier.complete
    assert arrived == voxels


def test_a_scan_is_cut_one_message_at_a_time() -> None:
    voxels = memoryview(LARGE)
    messages = scan_messages(a_scan(LARGE), voxels)
    assert isinstance(next(messages), Scan)
    chunk = next(messages)
    assert isinstance(chunk, Chunk)
    assert isinstance(chunk.voxels, memoryview)
    assert chunk.voxels.obj is LARGE, "a chunk is a view, not a copy"
