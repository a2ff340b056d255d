"""Frames: a message as bytes, and back.

A frame is one BSON document. Its first element is the message type ``t`` and its last is ``x``, an
int64 with the XXH3-64 of all bytes of the frame before the value of ``x``: TCP's checksum lets
some flipped bits through, and a header has no other protection. BSON's own first four bytes (int32,
little-endian) are the frame's length, so a receiver can check it before it allocates anything.
"""

import struct
from typing import Any

import bson
from bson.codec_options import CodecOptions
from xxhash import xxh3_64, xxh3_64_intdigest

from common.errors import ProtocolError, Refusal
from common.wire.messages import Chunk, Sendable

LENGTH_BYTES = 4

_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_CHECK_NAME = b"\x12x\x00"  # int64 element named x
_TAIL = 9  # eight bytes of its value, and the document's closing zero
SMALLEST_FRAME = LENGTH_BYTES + len(_CHECK_NAME) + _TAIL


def encode(message: Sendable) -> bytes:
    """A message as a frame."""
    if isinstance(message, Chunk):
        return _encode_chunk(message)
    frame = memoryview(bson.encode({"t": message.t, **message.body(), "x": bson.Int64(0)}))
    checked = frame[:-_TAIL]
    return b"".join((checked, struct.pack("<QB", xxh3_64_intdigest(checked), 0)))


def _encode_chunk(chunk: Chunk) -> bytes:
    """The same for voxels, which are large: copied once; ``bson.encode`` copies four times."""
    head = bson.encode({"t": chunk.t, "id": chunk.scan_id, "n": chunk.n})[LENGTH_BYTES:-1]
    size = len(chunk.voxels)
    head = b"".join((head, b"\x05voxels\x00", struct.pack("<iB", size, 0)))  # binary, subtype 0
    length = struct.pack("<i", LENGTH_BYTES + len(head) + size + len(_CHECK_NAME) + _TAIL)
    check = xxh3_64(length + head)
    check.update(chunk.voxels)
    check.update(_CHECK_NAME)
    tail = struct.pack("<QB", check.intdigest(), 0)
    return b"".join((length, head, chunk.voxels, _CHECK_NAME, tail))


def decode(frame: memoryview) -> dict[str, Any]:
    """The document in a whole frame, its check value verified.

    Raises:
        ProtocolError: the frame is damaged or not BSON.
    """
    (check,) = struct.unpack_from("<Q", frame, len(frame) - _TAIL)
    name = bytes(frame[-_TAIL - len(_CHECK_NAME) : -_TAIL])
    if name != _CHECK_NAME or xxh3_64_intdigest(frame[:-_TAIL]) != check:
        raise ProtocolError(
            Refusal.MALFORMED,
            "the frame is damaged, as its checksum does not match: connect and send again",
        )
    try:
        body: dict[str, Any] = bson.decode(frame, _OPTIONS)
    except (bson.errors.BSONError, ValueError, OverflowError) as error:
        raise ProtocolError(Refusal.MALFORMED, "the frame is not a valid BSON document") from error
    return body
