"""The last element of a frame, ``x``, which protects all bytes before its value.

A ``Checksum`` finds damage: TCP's own lets some flipped bits through. A ``Mac`` also finds whatever
a relay does: it is keyed with a secret of this connection and direction, and counts the frames.
"""

import struct
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import bson
from blake3 import blake3
from xxhash import xxh3_64, xxh3_64_intdigest

MAC_BYTES = 16


class FrameCheck(ABC):
    """How the frames of one direction are checked."""

    placeholder: ClassVar[Any]
    """A value of ``x`` as long as the true one."""
    element: ClassVar[bytes]
    """The element ``x`` up to its value."""
    value_bytes: ClassVar[int]

    @abstractmethod
    def value(self, *pieces: bytes | memoryview) -> bytes:
        """The value for the next frame, whose bytes before it are these pieces."""


class Checksum(FrameCheck):
    """XXH3-64 with seed 0, little-endian, as an int64."""

    placeholder = bson.Int64(0)
    element = b"\x12x\x00"
    value_bytes = 8

    def value(self, *pieces: bytes | memoryview) -> bytes:
        """The same for the same bytes."""
        if len(pieces) == 1:
            return struct.pack("<Q", xxh3_64_intdigest(pieces[0]))
        check = xxh3_64()
        for piece in pieces:
            check.update(piece)
        return struct.pack("<Q", check.intdigest())


class Mac(FrameCheck):
    """The first 16 bytes of keyed BLAKE3 of the frame and of its number in this direction.

    So no frame can be changed, left out, repeated, moved to another place, sent back to its author
    or taken from another connection.

    Args:
        key: of this connection and direction, 32 bytes.
    """

    placeholder = bytes(MAC_BYTES)
    element = b"\x05x\x00" + struct.pack("<iB", MAC_BYTES, 0)  # binary, subtype 0
    value_bytes = MAC_BYTES

    def __init__(self, key: bytes) -> None:
        self._keyed = blake3(key=key)
        self._frames = 0

    def value(self, *pieces: bytes | memoryview) -> bytes:
        """Another one each time: it counts."""
        mac = self._keyed.copy()
        for piece in pieces:
            mac.update(piece)
        mac.update(struct.pack("<Q", self._frames))
        self._frames += 1
        return mac.digest(length=MAC_BYTES)


CHECKSUM = Checksum()
"""Of the handshake's frames, and of all frames inside TLS."""
