"""One end of a connection, sans-IO: bytes in, messages out. No socket, clock or log is used here.

Which messages a side may receive in which state is data (``_ALLOWED``). The order of the handshake
is in ``common.wire.handshake``, the bytes of a frame in ``common.wire.frames``.
"""

import struct
from enum import Enum, auto
from typing import Any

from common.errors import ProtocolError, Refusal
from common.wire.constants import PROTOCOL_VERSION
from common.wire.frame_checks import CHECKSUM, FrameCheck
from common.wire.frames import LENGTH_BYTES, SMALLEST_FRAME, decode, encode
from common.wire.messages import (
    TYPES,
    Ack,
    Busy,
    Challenge,
    Chunk,
    Event,
    Failed,
    Hello,
    InvalidMessage,
    InvalidMessageError,
    Labels,
    Message,
    Nack,
    Ping,
    Pong,
    Proof,
    Report,
    ReportRequest,
    Scan,
    Sendable,
    Welcome,
)
from common.wire.messages.fields import read_integer

HANDSHAKE_FRAME_BYTES = 8 * 1024
"""The largest frame before the handshake is complete: an unauthenticated peer gets no more memory.
The longest legitimate one is a nack with a reason of a thousand characters."""

BUFFER_BYTES = 64 * 1024
"""Size of the receive buffer while no longer message is known to come."""

_VERSIONED = (
    Hello,
    Welcome,
)  # a tuple: each message is checked, and a union would be built each time

_TLS_RECORDS = range(0x14, 0x18)  # first byte of a TLS record; the second is 3
_PRINTABLE = range(0x20, 0x7F)  # four of them are a length of 500 MiB or more: no frame, but a text


class Side(Enum):
    """Which end of which kind of connection this is."""

    SCAN_SENDER = auto()  # Fr-PACS' client
    SCAN_RECEIVER = auto()  # Fr-HUB's server
    REPORT_SENDER = auto()  # Fr-HUB's client
    REPORT_RECEIVER = auto()  # Fr-PACS' server

    @property
    def is_client(self) -> bool:
        """Whether this end connects: it says hello first, and sends the pings."""
        return self in (Side.SCAN_SENDER, Side.REPORT_SENDER)

    @property
    def units(self) -> tuple[str, str]:
        """Which unit is at this end, and which at the other."""
        hub = self in (Side.SCAN_RECEIVER, Side.REPORT_SENDER)
        return ("Fr-HUB", "Fr-PACS") if hub else ("Fr-PACS", "Fr-HUB")


class State(Enum):
    """How far a connection is."""

    HANDSHAKE = auto()
    AWAITING_PROOF = auto()  # a hello with a nonce came: only its proof may follow
    OPEN = auto()


_ALLOWED: dict[tuple[Side, State], frozenset[type[Message]]] = {
    # (side, state): what it may receive
    (Side.SCAN_SENDER, State.HANDSHAKE): frozenset({Challenge, Welcome, Nack}),
    (Side.SCAN_SENDER, State.OPEN): frozenset({Ack, Nack, Busy, Pong}),
    (Side.SCAN_RECEIVER, State.HANDSHAKE): frozenset({Hello}),
    (Side.SCAN_RECEIVER, State.AWAITING_PROOF): frozenset({Proof}),
    (Side.SCAN_RECEIVER, State.OPEN): frozenset({Scan, Chunk, ReportRequest, Ping}),
    (Side.REPORT_SENDER, State.HANDSHAKE): frozenset({Challenge, Welcome, Nack}),
    (Side.REPORT_SENDER, State.OPEN): frozenset({Ack, Nack, Pong}),
    (Side.REPORT_RECEIVER, State.HANDSHAKE): frozenset({Hello}),
    (Side.REPORT_RECEIVER, State.AWAITING_PROOF): frozenset({Proof}),
    (Side.REPORT_RECEIVER, State.OPEN): frozenset({Labels, Chunk, Report, Failed, Ping}),
}


class WireProtocol:
    """Turns the bytes of one connection into messages, and messages into bytes.

    Give it bytes with ``receive_data``, or write them into ``get_buffer`` and report them with
    ``buffer_updated``; then take ``next_event`` until it returns None.

    Raises (from ``next_event``, on each call from then on):
        ProtocolError: the peer broke the rules; answer with ``Nack(None, …)`` and close.
    """

    def __init__(self, side: Side, frame_limit: int) -> None:
        self.frames = 0
        """Frames received whole so far."""
        self._state = State.HANDSHAKE
        self._side = side
        self._limit = frame_limit
        self._buffer = bytearray()  # received bytes from start to end, free space behind them
        self._start = self._end = 0
        self._error: ProtocolError | None = None
        self._discarding = False
        self._incoming: FrameCheck = CHECKSUM
        self._outgoing: FrameCheck = CHECKSUM

    # --- bytes in ------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes as they came from the socket; after an error they are dropped."""
        if self._error is not None:
            return
        self.get_buffer(len(data))[: len(data)] = data
        self.buffer_updated(len(data))

    def get_buffer(self, least: int = 1) -> memoryview:
        """Where to write the next bytes, ``least`` of them or more; call ``buffer_updated`` after.

        A long message gets a buffer of its exact size, so it is received where it is decoded and
        never copied. The buffer grows only with what has arrived: a peer may announce a long
        message and never send it.
        """
        kept = self._end - self._start
        length = 0 if kept < LENGTH_BYTES or self._is_too_large() else self._frame_length()
        runs_over = self._start > 0 and self._start + length > len(self._buffer)
        if runs_over or len(self._buffer) - self._end < least:
            length = min(length, max(4 * kept, BUFFER_BYTES))
            fresh = bytearray(max(length, kept + max(least, BUFFER_BYTES)))
            fresh[:kept] = memoryview(self._buffer)[self._start : self._end]
            self._buffer, self._start, self._end = fresh, 0, kept
        return memoryview(self._buffer)[self._end :]

    def buffer_updated(self, count: int) -> None:
        """``count`` bytes were written into the buffer."""
        if self._error is None and not self._discarding:
            self._end += count

    def release_buffer(self) -> None:
        """Free the buffer while the connection is idle."""
        if not self.mid_frame:
            self._buffer, self._start, self._end = bytearray(), 0, 0

    def discard_input(self) -> None:
        """Drop all bytes from here on."""
        self._discarding = True

    # --- state ---------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the handshake is complete."""
        return self._state is State.OPEN

    def complete_handshake(self) -> None:
        """The handshake accepted the peer: from here on other messages are allowed."""
        self._state = State.OPEN

    @property
    def mid_frame(self) -> bool:
        """Whether the last frame is incomplete: a close now cuts it off."""
        return self._end > self._start

    @property
    def current_frame(self) -> int | None:
        """The number of the incomplete frame; None between frames."""
        return self.frames if self.mid_frame else None

    @property
    def ready(self) -> bool:
        """Whether ``next_event`` has an event or an error."""
        kept = self._end - self._start
        whole = kept >= LENGTH_BYTES and (self._is_too_large() or kept >= self._frame_length())
        return not self._discarding and (whole or self._error is not None)

    # --- messages out --------------------------------------------------------------------------

    def protect(self, incoming: FrameCheck, outgoing: FrameCheck) -> None:
        """Check the frames of both directions in another way from here on."""
        self._incoming, self._outgoing = incoming, outgoing

    def encode(self, *messages: Sendable) -> bytes:
        """Messages as bytes, to be sent in this order and before any others."""
        return b"".join([encode(message, self._outgoing) for message in messages])

    def next_event(self) -> Event | None:
        """The next whole message, or None if more bytes are needed."""
        if self._error is not None:
            raise self._error
        try:
            frame = self._take_frame()
            if frame is None:
                return None
            return self._read(frame)
        except ProtocolError as error:
            self._error = error
            raise

    def _frame_length(self) -> int:
        """What the first four bytes of the frame declare."""
        length: int = struct.unpack_from("<i", self._buffer, self._start)[0]
        return length

    def _is_too_large(self) -> bool:
        length = self._frame_length()
        return length > self._limit or (length > HANDSHAKE_FRAME_BYTES and not self.is_open)

    def _take_frame(self) -> memoryview | None:
        available = self._end - self._start
        if not available:
            self._start = self._end = 0
            if len(self._buffer) <= BUFFER_BYTES:
                self.release_buffer()
        if available < LENGTH_BYTES:
            return None
        length = self._frame_length()
        if length < SMALLEST_FRAME:
            raise ProtocolError(
                Refusal.MALFORMED,
                "these bytes are not a message of Fr's protocol: check the address and the port",
            )
        if self._is_too_large():
            raise self._too_large_error(length)
        if available < length:
            return None
        frame = memoryview(self._buffer)[self._start : self._start + length]
        self._start += length
        self.frames += 1
        return frame

    def _too_large_error(self, length: int) -> ProtocolError:
        first, second = self._buffer[self._start : self._start + 2]
        start = self._buffer[self._start : self._start + LENGTH_BYTES]
        if not self.frames and all(byte in _PRINTABLE for byte in start):
            return ProtocolError(
                Refusal.MALFORMED,
                "this port speaks Fr's protocol, and the peer speaks another one (perhaps HTTP): "
                "check the address and the port",
            )
        if not self.frames and first in _TLS_RECORDS and second == 3:
            return ProtocolError(
                Refusal.UNAUTHENTICATED,
                "the peer uses TLS and this unit does not: "
                "set TLS_CERT, TLS_KEY and TLS_CA at both ends, or at neither",
            )
        if not self.is_open:
            reason = (
                f"the peer sent a frame of {length} bytes before the handshake was complete; the "
                f"limit is {HANDSHAKE_FRAME_BYTES} bytes until then: check that the peer is a unit "
                "of Fr"
            )
        else:
            reason = (
                f"a frame of {length} bytes is over the limit of {self._limit} bytes: "
                "send smaller messages, or raise FRAME_LIMIT_KIB at the receiver"
            )
        return ProtocolError(Refusal.TOO_LARGE, reason)

    def _read(self, frame: memoryview) -> Event:
        body = decode(frame, self._incoming)
        kind = self._message_type(body)
        if kind in _VERSIONED:  # first of all: another version may have other fields
            self._check_version(read_integer(body, "version"))
        try:
            message = kind.parse(body)
        except InvalidMessageError as error:
            if error.id is None:
                raise ProtocolError(error.code, error.reason) from error
            return InvalidMessage(error.id, error.code, error.reason)
        if isinstance(message, _VERSIONED):
            self._begin(message)
        return message

    def _message_type(self, body: dict[str, Any]) -> type[Message]:
        kind = TYPES.get(str(body.get("t")))
        if kind is None:
            raise ProtocolError(
                Refusal.UNEXPECTED,
                f"the message type is unknown in protocol version {PROTOCOL_VERSION}",
            )
        if kind not in _ALLOWED[self._side, self._state]:
            when = "on this connection" if self.is_open else "before the handshake is complete"
            raise ProtocolError(
                Refusal.UNEXPECTED, f"a message of type {kind.t!r} is not allowed {when}"
            )
        return kind

    def _check_version(self, version: int) -> None:
        if version == PROTOCOL_VERSION:
            return
        ours, theirs = self._side.units
        older = theirs if version < PROTOCOL_VERSION else ours
        raise ProtocolError(
            Refusal.VERSION,
            f"{theirs} speaks protocol version {version}, {ours} version {PROTOCOL_VERSION}: "
            f"upgrade {older} to the release of the other",
        )

    def _begin(self, message: Hello | Welcome) -> None:
        needs_proof = isinstance(message, Hello) and message.nonce
        self._state = State.AWAITING_PROOF if needs_proof else State.OPEN
