"""The wire, sans-IO: bytes in, messages out. No socket, clock or log is used here.

A frame is one BSON document whose first element is its type ``t`` and whose last is ``x``, an
int64 with the XXH3-64 of all bytes of the frame before the value of ``x``: TCP's checksum lets
some flipped bits through, and a header has no other protection. BSON's own first four bytes are
the frame's length, checked against the limit before anything is kept.

Who may say what, in which state, is data (``_ALLOWED``). The README has the wire in full; the
proof of a shared secret is in ``common.wire.handshake``.
"""

import struct
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

import bson
from blake3 import blake3
from bson.codec_options import CodecOptions
from xxhash import xxh3_64, xxh3_64_intdigest

from common.domain.scan import BrainScan, Packing
from common.errors import ProtocolError, Refusal
from common.wire.constants import CHUNK_BYTES, INLINE_VOXELS_MAX, PROTOCOL_VERSION
from common.wire.messages import (
    TYPES,
    Ack,
    Busy,
    Challenge,
    Chunk,
    Event,
    Hello,
    InvalidMessage,
    InvalidMessageError,
    Message,
    Nack,
    Ping,
    Pong,
    Proof,
    Report,
    Scan,
    Sendable,
    Welcome,
)

_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_CHECK_NAME = b"\x12x\x00"  # int64 element named x
_TAIL = 9  # eight bytes of its value, and the document's closing zero
_SMALLEST = 4 + len(_CHECK_NAME) + _TAIL

_GREETING_BYTES = 8 * 1024
"""The largest frame before the greeting is over: a stranger is to be told apart, not listened to.
The longest that can come is a nack: a reason of a thousand characters."""

_BUFFER_BYTES = 64 * 1024
"""What is ready for bytes whose message is not known to be longer."""

_TLS_RECORDS = range(0x14, 0x18)  # first byte of a TLS record; the second is 3


class Side(Enum):
    """Which end of which conversation this is."""

    SCAN_SENDER = auto()  # Fr-PACS' client
    SCAN_RECEIVER = auto()  # Fr-HUB's server
    REPORT_SENDER = auto()  # Fr-HUB's client
    REPORT_RECEIVER = auto()  # Fr-PACS' server


class State(Enum):
    """How far a conversation is."""

    HANDSHAKE = auto()
    AWAITING_PROOF = auto()  # a hello with a nonce came: nothing but its proof is listened to
    OPEN = auto()


_ALLOWED: dict[tuple[Side, State], frozenset[type[Message]]] = {
    # (side, stage): what it may receive
    (Side.SCAN_SENDER, State.HANDSHAKE): frozenset({Challenge, Welcome, Nack}),
    (Side.SCAN_SENDER, State.OPEN): frozenset({Ack, Nack, Busy, Pong}),
    (Side.SCAN_RECEIVER, State.HANDSHAKE): frozenset({Hello}),
    (Side.SCAN_RECEIVER, State.AWAITING_PROOF): frozenset({Proof}),
    (Side.SCAN_RECEIVER, State.OPEN): frozenset({Scan, Chunk, Ping}),
    (Side.REPORT_SENDER, State.HANDSHAKE): frozenset({Challenge, Welcome, Nack}),
    (Side.REPORT_SENDER, State.OPEN): frozenset({Ack, Nack, Pong}),
    (Side.REPORT_RECEIVER, State.HANDSHAKE): frozenset({Hello}),
    (Side.REPORT_RECEIVER, State.AWAITING_PROOF): frozenset({Proof}),
    (Side.REPORT_RECEIVER, State.OPEN): frozenset({Report, Ping}),
}


def encode(message: Sendable) -> bytes:
    """A message as a frame."""
    if isinstance(message, Chunk):
        return _chunk_frame(message)
    frame = memoryview(bson.encode({"t": message.t, **message.body(), "x": bson.Int64(0)}))
    checked = frame[:-_TAIL]
    return b"".join((checked, struct.pack("<QB", xxh3_64_intdigest(checked), 0)))


def _chunk_frame(chunk: Chunk) -> bytes:
    """The same for voxels, of which there is much: copied once, where the general way does it four
    times."""
    head = bson.encode({"t": chunk.t, "id": chunk.scan_id, "n": chunk.n})[4:-1]
    size = len(chunk.voxels)
    head = b"".join((head, b"\x05voxels\x00", struct.pack("<iB", size, 0)))  # binary, of no type
    length = struct.pack("<i", 4 + len(head) + size + len(_CHECK_NAME) + _TAIL)
    check = xxh3_64(length + head)
    check.update(chunk.voxels)
    check.update(_CHECK_NAME)
    tail = struct.pack("<QB", check.intdigest(), 0)
    return b"".join((length, head, chunk.voxels, _CHECK_NAME, tail))


class WireProtocol:
    """One end of a connection: ``feed`` it bytes, take ``next_event`` until None.

    Raises (from ``next_event``, on each call from then on):
        ProtocolError: the peer broke the rules; answer with ``Nack(None, …)`` and close.
    """

    def __init__(self, side: Side, frame_limit: int) -> None:
        self.frames = 0
        """Taken so far."""
        self._state = State.HANDSHAKE
        self._side = side
        self._limit = frame_limit
        self._buffer = bytearray()  # from start to end are bytes that came, then room
        self._start = self._end = 0
        self._error: ProtocolError | None = None
        self._discarding = False

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes as they came from the socket; after an error none is kept."""
        if self._error is not None:
            return
        self.get_buffer(len(data))[: len(data)] = data
        self.buffer_updated(len(data))

    def get_buffer(self, least: int = 1) -> memoryview:
        """Where the next bytes are to go, ``least`` of them at least; then say ``filled``.

        A long message gets a place of its size, which it fills to the end: so it is received
        where it is read, and so are those after it. It gets there in steps of what has come, as a
        peer that says how long a message is may send no more of it.
        """
        kept = self._end - self._start
        due = 0 if kept < 4 or self._due_too_large() else self._due()
        runs_over = self._start > 0 and self._start + due > len(self._buffer)
        if runs_over or len(self._buffer) - self._end < least:
            due = min(due, max(4 * kept, _BUFFER_BYTES))
            fresh = bytearray(max(due, kept + max(least, _BUFFER_BYTES)))
            fresh[:kept] = memoryview(self._buffer)[self._start : self._end]
            self._buffer, self._start, self._end = fresh, 0, kept
        return memoryview(self._buffer)[self._end :]

    def buffer_updated(self, count: int) -> None:
        """So many bytes came into the ``room``."""
        if self._error is None and not self._discarding:
            self._end += count

    def release_buffer(self) -> None:
        """Hold no room for what does not come."""
        if not self.mid_frame:
            self._buffer, self._start, self._end = bytearray(), 0, 0

    def discard_input(self) -> None:
        """Keep nothing of what comes from here on."""
        self._discarding = True

    @property
    def is_open(self) -> bool:
        """Whether the greeting is over."""
        return self._state is State.OPEN

    def complete_handshake(self) -> None:
        """The peer's proof is right: the greeting is over."""
        self._state = State.OPEN

    @property
    def mid_frame(self) -> bool:
        """Whether the bytes so far end inside a frame: a close now is a cut."""
        return self._end > self._start

    @property
    def current_frame(self) -> int | None:
        """The number of the frame that the bytes so far end inside of; None: of none."""
        return self.frames if self.mid_frame else None

    @property
    def ready(self) -> bool:
        """Whether ``next_event`` has something to say."""
        kept = self._end - self._start
        whole = kept >= 4 and (self._due_too_large() or kept >= self._due())
        return not self._discarding and (whole or self._error is not None)

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

    def _due(self) -> int:
        """Bytes of the frame whose first four are here."""
        length: int = struct.unpack_from("<i", self._buffer, self._start)[0]
        return length

    def _due_too_large(self) -> bool:
        length = self._due()
        return length > self._limit or (length > _GREETING_BYTES and not self.is_open)

    def _take_frame(self) -> memoryview | None:
        available = self._end - self._start
        if not available:
            self._start = self._end = 0
            if len(self._buffer) <= _BUFFER_BYTES:
                self.release_buffer()
        if available < 4:
            return None
        length = self._due()
        if length < _SMALLEST:
            raise ProtocolError(Refusal.MALFORMED, "not a message of this protocol")
        if self._due_too_large():
            raise self._too_large(length)
        if available < length:
            return None
        frame = memoryview(self._buffer)[self._start : self._start + length]
        self._start += length
        self.frames += 1
        return frame

    def _too_large(self, length: int) -> ProtocolError:
        first, second = self._buffer[self._start : self._start + 2]
        if not self.frames and first in _TLS_RECORDS and second == 3:
            reason = "the peer speaks TLS, this unit does not: set TLS_CERT, TLS_KEY and TLS_CA "
            return ProtocolError(Refusal.UNAUTHENTICATED, reason + "at both ends, or at none")
        reason = f"a frame of {length} bytes, over the limit of {self._limit} bytes"
        if length <= self._limit:
            reason = f"a frame of {length} bytes before the greeting"
        return ProtocolError(Refusal.TOO_LARGE, reason)

    def _read(self, frame: memoryview) -> Event:
        (check,) = struct.unpack_from("<Q", frame, len(frame) - _TAIL)
        name = bytes(frame[-_TAIL - len(_CHECK_NAME) : -_TAIL])
        if name != _CHECK_NAME or xxh3_64_intdigest(frame[:-_TAIL]) != check:
            raise ProtocolError(Refusal.MALFORMED, "the frame is damaged: its check does not match")
        try:
            body: dict[str, Any] = bson.decode(frame, _OPTIONS)
        except (bson.errors.BSONError, ValueError, OverflowError) as error:
            raise ProtocolError(Refusal.MALFORMED, "the frame is not BSON") from error
        kind = TYPES.get(str(body.get("t")))
        if kind is None:
            raise ProtocolError(Refusal.UNEXPECTED, "an unknown message type")
        if kind not in _ALLOWED[self._side, self._state]:
            when = "here" if self.is_open else "before the greeting"
            raise ProtocolError(Refusal.UNEXPECTED, f"a message of type {kind.t!r} {when}")
        try:
            message = kind.parse(body)
        except InvalidMessageError as flaw:
            if flaw.id is None:
                raise ProtocolError(flaw.code, flaw.reason) from flaw
            return InvalidMessage(flaw.id, flaw.code, flaw.reason)
        if isinstance(message, Hello | Welcome):
            self._greet(message)
        return message

    def _greet(self, message: Hello | Welcome) -> None:
        if message.version != PROTOCOL_VERSION:
            raise ProtocolError(
                Refusal.VERSION,
                f"protocol version {message.version}, this side speaks {PROTOCOL_VERSION}",
            )
        proving = isinstance(message, Hello) and message.nonce
        self._state = State.AWAITING_PROOF if proving else State.OPEN


class ChunkVerifier:
    """Puts a large scan's voxels together: order, sizes and hash, without keeping a voxel.

    Raises:
        ProtocolError: a chunk is missing, repeated or of a wrong size, or the hash differs.
    """

    def __init__(self, scan: BrainScan, packing: Packing | None = None) -> None:
        self.scan = scan
        size = scan.voxels_bytes if packing is None else packing.bytes
        self.chunks = -(-size // CHUNK_BYTES)
        self._next = 0
        self._left = size
        # Of what travels: whether unpacking it gives the scan's voxels is Fr-BRAIN's to see.
        self._hash = scan.voxels_hash if packing is None else packing.hash
        self._hasher = blake3()

    @property
    def complete(self) -> bool:
        """Whether the last chunk was taken."""
        return self._next == self.chunks

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk."""
        if chunk.scan_id != self.scan.scan_id:
            raise ProtocolError(Refusal.CHUNKS, "a chunk of another scan in between")
        if self.complete:
            raise ProtocolError(Refusal.CHUNKS, f"chunk {chunk.n} came after the last")
        if chunk.n != self._next:
            raise ProtocolError(Refusal.CHUNKS, f"chunk {chunk.n} came, chunk {self._next} was due")
        due = min(CHUNK_BYTES, self._left)
        if len(chunk.voxels) != due:
            raise ProtocolError(
                Refusal.CHUNKS, f"chunk {chunk.n} has {len(chunk.voxels)} bytes, {due} were due"
            )
        self._hasher.update(chunk.voxels)
        self._next += 1
        self._left -= due
        if self.complete and self._hasher.hexdigest() != self._hash:
            raise ProtocolError(Refusal.HASH, "the voxels do not have the declared hash")


def check_inline(message: Scan) -> None:
    """Check the hash of a small scan.

    Raises:
        ProtocolError: the voxels do not have it.
    """
    if blake3(message.voxels or b"").hexdigest() != message.scan.voxels_hash:
        raise ProtocolError(Refusal.HASH, "the voxels do not have the declared hash")


def scan_messages(
    scan: BrainScan, voxels: bytes | memoryview, packing: Packing | None = None
) -> Iterator[Message]:
    """A scan as the messages that carry it, made one at a time.

    Args:
        scan: its header.
        voxels: flat, ``scan.voxels_bytes`` bytes; or the payload that ``packing`` speaks of.
        packing: how a large scan's voxels are compressed.
    """
    if scan.voxels_bytes <= INLINE_VOXELS_MAX:
        yield Scan(scan, voxels)
        return
    yield Scan(scan, packing=packing)
    view = memoryview(voxels)
    for n, start in enumerate(range(0, len(view), CHUNK_BYTES)):
        yield Chunk(scan.scan_id, n, view[start : start + CHUNK_BYTES])
