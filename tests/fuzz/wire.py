"""The fuzz target of the wire."""

from collections.abc import Iterator
from contextlib import suppress

from common.errors import ProtocolError
from common.wire.messages import Chunk, Event, Flaw, Scan
from common.wire.protocol import _ROOM, Assembly, Link, Side, check_inline, encode
from tests.common.wire.frames import checked, greeted

FRAME_LIMIT = 16 * 1024

_SIDES = tuple(Side)


def wire(data: bytes) -> None:
    """A stream into one end of a connection. The first byte chooses the side, whether it was
    greeted, and whether each frame gets a right length and check, which mutation alone never hits;
    the second how the stream is cut."""
    if len(data) < 2:
        return
    mode, step = data[0], data[1] or 1
    side = _SIDES[mode & 3]
    link = greeted(side, FRAME_LIMIT) if mode & 4 else Link(side, FRAME_LIMIT)
    stream = checked(data[2:]) if mode & 8 else data[2:]
    try:
        for event in _events(link, stream, step):
            _say_again(event, side)
    except ProtocolError as refusal:
        _stays_closed(link, refusal)


def _events(link: Link, stream: bytes, step: int) -> Iterator[Event]:
    assembly: Assembly | None = None
    for start in range(0, len(stream), step * 64):
        link.feed(stream[start : start + step * 64])
        kept = link._end - link._start
        assert kept <= FRAME_LIMIT + step * 64, "it keeps more than a frame"
        room = max(_ROOM, step * 64)
        assert len(link._buffer) <= FRAME_LIMIT + room, "it holds more room than that"
        while (event := link.next_event()) is not None:
            with suppress(ProtocolError):  # one scan is refused, the connection goes on
                if isinstance(event, Scan) and event.voxels is None:
                    assembly = Assembly(event.scan)
                elif isinstance(event, Scan):
                    check_inline(event)
                elif isinstance(event, Chunk) and assembly is not None:
                    assembly.add(event)
            yield event


def _say_again(event: Event, side: Side) -> None:
    """What was accepted can be stored and sent on: it survives its own encoding."""
    if isinstance(event, Flaw):
        assert event.reason
        return
    again = Link(side, 4 * FRAME_LIMIT)
    if event.t not in ("hello", "welcome"):
        again = greeted(side, 4 * FRAME_LIMIT)
    again.feed(encode(event))
    assert again.next_event() is not None


def _stays_closed(link: Link, refusal: ProtocolError) -> None:
    kept = len(link._buffer)
    link.feed(bytes(100))
    assert len(link._buffer) == kept, "bytes are kept after a refusal"
    again: ProtocolError | None = None
    try:
        link.next_event()
    except ProtocolError as error:
        again = error
    assert again is refusal, "a refused connection goes on"
