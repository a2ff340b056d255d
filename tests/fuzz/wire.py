"""The fuzz target of the wire protocol."""

from collections.abc import Iterator
from contextlib import suppress

from common.errors import ProtocolError
from common.wire.frame_checks import CHECKSUM, FrameCheck, Mac
from common.wire.frames import encode
from common.wire.messages import Chunk, Event, InvalidMessage, Labels, Scan
from common.wire.protocol import BUFFER_BYTES, Side, WireProtocol
from common.wire.scan_transfer import (
    ChunkVerifier,
    LabelsVerifier,
    PieceVerifier,
    check_inline,
)
from tests.common.wire.frames import checked, opened_protocol, protocol_for

FRAME_LIMIT = 16 * 1024
KEY = bytes(range(32))

_SIDES = tuple(Side)


def wire(data: bytes) -> None:
    """Feed a stream to one end of a connection.

    The first byte selects the side, whether the handshake is done, whether the frame gets a
    correct length and check, which mutation alone would never produce, and whether the check of
    an open connection is a MAC. The second byte is the
    size of the pieces.
    """
    if len(data) < 2:
        return
    mode, step = data[0], data[1] or 1
    side = _SIDES[mode & 3]
    protocol = opened_protocol(side, FRAME_LIMIT) if mode & 4 else WireProtocol(side, FRAME_LIMIT)
    check: FrameCheck = CHECKSUM
    if mode & 4 and mode & 16:
        protocol.protect(Mac(KEY), Mac(KEY))
        check = Mac(KEY)
    stream = checked(data[2:], check) if mode & 8 else data[2:]
    try:
        for event in _events(protocol, stream, step):
            _say_again(event, side)
    except ProtocolError as refusal:
        _stays_closed(protocol, refusal)


def _events(protocol: WireProtocol, stream: bytes, step: int) -> Iterator[Event]:
    verifier: PieceVerifier | None = None
    for start in range(0, len(stream), step * 64):
        protocol.receive_data(stream[start : start + step * 64])
        kept = protocol._end - protocol._start
        assert kept <= FRAME_LIMIT + step * 64, "the protocol buffers more than a frame"
        room = max(BUFFER_BYTES, step * 64)
        assert len(protocol._buffer) <= FRAME_LIMIT + room, "the buffer is too large"
        while (event := protocol.next_event()) is not None:
            with suppress(ProtocolError):  # refuses one scan, but the connection continues
                if isinstance(event, Scan) and event.voxels is None:
                    verifier = ChunkVerifier(event.scan)
                elif isinstance(event, Scan):
                    check_inline(event)
                elif isinstance(event, Labels):
                    verifier = LabelsVerifier(event.header)
                elif isinstance(event, Chunk) and verifier is not None:
                    verifier.add(event)
            yield event


def _say_again(event: Event, side: Side) -> None:
    """Check that an accepted message survives encoding, so that it can be stored and sent on."""
    if isinstance(event, InvalidMessage):
        assert event.reason
        return
    again = protocol_for(side, event)
    again.receive_data(encode(event))
    assert again.next_event() is not None


def _stays_closed(protocol: WireProtocol, refusal: ProtocolError) -> None:
    kept = len(protocol._buffer)
    protocol.receive_data(bytes(100))
    assert len(protocol._buffer) == kept, "bytes are buffered after a refusal"
    again: ProtocolError | None = None
    try:
        protocol.next_event()
    except ProtocolError as error:
        again = error
    assert again is refusal, "a refused connection continues"
