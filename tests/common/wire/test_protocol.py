"""What is said arrives, however it is cut. Refusals are in test_protocol_refusals.py."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.wire.constants import CHUNK_BYTES, INLINE_VOXELS_MAX
from common.wire.messages import Ack, Chunk, Hello, Message, Ping, Pong, Report, Scan, Welcome
from common.wire.protocol import Assembly, Link, Side, check_inline, encode, messages_of
from tests.common.wire.frames import EXAMPLES, LARGE, LIMIT, events_of, frame_of, greeted, link_for
from tests.strategies import a_scan, reports, scans

examples = pytest.mark.parametrize(
    ("side", "message"),
    EXAMPLES,
    ids=[f"{message.t}-{n}" for n, (_, message) in enumerate(EXAMPLES)],
)


@examples
def test_a_message_arrives_whole(side: Side, message: Message) -> None:
    link = link_for(side, message)
    link.feed(encode(message))
    assert events_of(link) == [message]
    assert not link.mid_frame


@examples
def test_a_message_arrives_byte_by_byte_and_not_before_its_last(
    side: Side, message: Message
) -> None:
    link = link_for(side, message)
    frame = encode(message)
    for n in range(len(frame) - 1):
        link.feed(frame[n : n + 1])
        # Each call looks only whether the frame is whole, so asking often costs little.
        assert link.next_event() is None
        assert link.mid_frame
    link.feed(frame[-1:])
    assert events_of(link) == [message]
    assert not link.mid_frame


@examples
def test_a_message_arrives_with_the_beginning_of_the_next(side: Side, message: Message) -> None:
    link = link_for(side, message)
    following = encode(Ping())
    link.feed(encode(message) + following[:5])
    assert events_of(link) == [message]
    assert link.mid_frame


@given(scan_id=st.text(max_size=40), n=st.integers(0, 2**40), voxels=st.binary(max_size=200))
def test_a_chunk_is_the_frame_that_bson_makes_of_it(scan_id: str, n: int, voxels: bytes) -> None:
    body = {"t": "chunk", "id": scan_id, "n": n, "voxels": voxels}
    assert encode(Chunk(scan_id, n, memoryview(voxels))) == frame_of(body)


def test_a_long_message_is_received_in_a_place_of_its_size() -> None:
    link = greeted(Side.SCAN_RECEIVER)
    long, short = encode(Chunk("scan-1", 0, bytes(CHUNK_BYTES))), encode(Ping())
    taken = 0
    while taken < len(long):
        room = link.room()
        assert taken < 64 * 1024 or len(room) == len(long) - taken
        count = min(len(room), 3 if taken < 4 else 100_000, len(long) - taken)
        room[:count] = long[taken : taken + count]
        link.filled(count)
        taken += count
        assert link.ready == (taken == len(long))
    link.feed(short)
    assert events_of(link) == [Chunk("scan-1", 0, bytes(CHUNK_BYTES)), Ping()]
    assert not link.ready


def test_what_a_peer_only_says_it_will_send_takes_no_memory() -> None:
    link, says = greeted(Side.SCAN_RECEIVER), struct.pack("<i", LIMIT)
    link.feed(says)
    for came in (0, 10_000, 100_000):
        link.feed(bytes(came))
        assert len(link.room()) > 0
        assert len(link._buffer) <= 64 * 1024 + 5 * (len(says) + came + 10_000)


def test_a_link_that_rests_keeps_what_came_and_no_room() -> None:
    link = greeted(Side.SCAN_RECEIVER)
    link.feed(encode(Chunk("scan-1", 0, bytes(CHUNK_BYTES))))
    assert len(events_of(link)) == 1
    assert len(link._buffer) >= CHUNK_BYTES
    link.rest()
    assert len(link._buffer) == 0
    ping = encode(Ping())
    link.feed(ping[:5])
    link.rest()
    link.feed(ping[5:])
    assert events_of(link) == [Ping()]


@examples
def test_a_message_says_the_same_again(side: Side, message: Message) -> None:
    link = link_for(side, message)
    link.feed(encode(message))
    event = link.next_event()
    assert event is not None
    assert encode(event) == encode(message)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 2**16), max_size=20), scans())
def test_any_cuts_give_the_same_messages(cuts: list[int], pair: tuple[BrainScan, bytes]) -> None:
    said: list[Message] = [Ping(), Scan(*pair), Ping(), Scan(*pair), Ping()]
    stream = b"".join(map(encode, said))
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    link = greeted(Side.SCAN_RECEIVER)
    heard = []
    for start, end in pairwise(edges):
        link.feed(stream[start:end])
        heard += events_of(link)
    assert heard == said


@given(scans())
def test_any_small_scan_arrives_as_it_was(pair: tuple[BrainScan, bytes]) -> None:
    link = greeted(Side.SCAN_RECEIVER)
    (message,) = messages_of(*pair)
    link.feed(encode(message))
    event = link.next_event()
    assert isinstance(event, Scan)
    assert (event.scan, event.voxels) == pair
    check_inline(event)


@given(reports)
def test_any_report_arrives_as_it_was(report: BrainReport) -> None:
    link = greeted(Side.REPORT_RECEIVER)
    link.feed(encode(Report(report)))
    assert events_of(link) == [Report(report)]


def test_what_was_taken_is_kept_when_the_buffer_moves_on() -> None:
    link = greeted(Side.SCAN_RECEIVER)
    link.feed(encode(Chunk("scan-1", 0, b"a" * 1000)))
    first = link.next_event()
    link.feed(encode(Chunk("scan-1", 1, b"b" * 1000)))
    assert isinstance(first, Chunk)
    assert first.voxels == b"a" * 1000


@given(scans(), reports)
def test_two_peers_back_to_back_understand_each_other(
    pair: tuple[BrainScan, bytes], report: BrainReport
) -> None:
    pacs, hub = Link(Side.SCAN_SENDER, LIMIT), Link(Side.SCAN_RECEIVER, LIMIT)
    scan_id = pair[0].scan_id
    assert not pacs.greeted
    assert not hub.greeted
    hub.feed(encode(Hello("pacs-1")))
    assert events_of(hub) == [Hello("pacs-1")]
    pacs.feed(encode(Welcome("fr-hub", 8)))
    assert events_of(pacs) == [Welcome("fr-hub", 8)]
    assert pacs.greeted
    assert hub.greeted
    hub.feed(encode(Scan(*pair)) + encode(Ping()))
    assert events_of(hub) == [Scan(*pair), Ping()]
    pacs.feed(encode(Pong()) + encode(Ack((scan_id,))))
    assert events_of(pacs) == [Pong(), Ack((scan_id,))]

    back, desk = Link(Side.REPORT_SENDER, LIMIT), Link(Side.REPORT_RECEIVER, LIMIT)
    desk.feed(encode(Hello("fr-hub")) + encode(Report(report)))
    assert events_of(desk) == [Hello("fr-hub"), Report(report)]
    back.feed(encode(Welcome("pacs-1", 8)) + encode(Ack((report.scan_id,))))
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
    hub = greeted(Side.SCAN_RECEIVER)
    received: list[Message] = []
    for message in messages_of(scan, voxels):
        frame = encode(message)
        assert len(frame) <= LIMIT
        hub.feed(frame)
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
    assembly = Assembly(scan)
    assert assembly.chunks == len(chunks) == -(-size // CHUNK_BYTES)
    arrived = b""
    for chunk in chunks:
        assert not assembly.complete
        assert isinstance(chunk, Chunk)
        assembly.add(chunk)
        arrived += chunk.voxels
    assert assembly.complete
    assert arrived == voxels


def test_a_scan_is_cut_one_message_at_a_time() -> None:
    voxels = memoryview(LARGE)
    messages = messages_of(a_scan(LARGE), voxels)
    assert isinstance(next(messages), Scan)
    chunk = next(messages)
    assert isinstance(chunk, Chunk)
    assert isinstance(chunk.voxels, memoryview)
    assert chunk.voxels.obj is LARGE, "a chunk is a view, not a copy"
