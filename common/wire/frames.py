"""Frames: a message as bytes, and back.

A frame is one BSON document. Its first element is the message type ``t``, and its last one, ``x``,
protects the bytes before its value (``common.wire.frame_checks``). BSON's own first four bytes
(int32, little-endian) are the frame's length, so a receiver can check it before it allocates
anything.
"""

import hmac
import struct
from typing import Any

import bson
from bson.codec_options import CodecOptions

from common.errors import ProtocolError, Refusal
from common.wire.frame_checks import CHECKSUM, FrameCheck
from common.wire.messages import Chunk, Sendable

LENGTH_BYTES = 4

SMALLEST_FRAME = LENGTH_BYTES + len(CHECKSUM.element) + CHECKSUM.value_bytes + 1

_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def encode(message: Sendable, check: FrameCheck = CHECKSUM) -> bytes:
    """A message as a frame, the next one of its direction."""
    if isinstance(message, Chunk):
        return _encode_chunk(message, check)
    document = {"t": message.t, **message.body(), "x": check.placeholder}
    checked = memoryview(bson.encode(document))[: -check.value_bytes - 1]
    return b"".join((checked, check.value(checked), b"\x00"))


def _encode_chunk(chunk: Chunk, check: FrameCheck) -> bytes:
    """The same for voxels, which are large: copied once; ``bson.encode`` copies four times."""
    head = bson.encode({"t": chunk.t, "id": chunk.scan_id, "n": chunk.n})[LENGTH_BYTES:-1]
    size = len(chunk.voxels)
    head = b"".join((head, b"\x05voxels\x00", struct.pack("<iB", size, 0)))  # binary, subtype 0
    after = len(check.element) + check.value_bytes + 1
    head = struct.pack("<i", LENGTH_BYTES + len(head) + size + after) + head
    value = check.value(head, chunk.voxels, check.element)
    return b"".join((head, chunk.voxels, check.element, value, b"\x00"))


def decode(frame: memoryview, check: FrameCheck = CHECKSUM) -> dict[str, Any]:
    """The document in a whole frame, its check verified.

    Raises:
        ProtocolError: the frame is damaged or not BSON.
    """
    value_at = len(frame) - check.value_bytes - 1
    element_at = value_at - len(check.element)
    if (
        element_at < LENGTH_BYTES
        or bytes(frame[element_at:value_at]) != check.element
        or not hmac.compare_digest(check.value(frame[:value_at]), frame[value_at:-1])
    ):
        raise ProtocolError(
            Refusal.MALFORMED,
            "the frame is damaged (its checksum or MAC does not match): connect and send again",
        )
    try:
        body: dict[str, Any] = bson.decode(frame, _OPTIONS)
    except (bson.errors.BSONError, ValueError, OverflowError) as error:
        raise ProtocolError(Refusal.MALFORMED, "the frame is not a valid BSON document") from error
    return body
