"""Compressed data, by their first bytes: gzip (RFC 1952), bzip2 and xz, inflated piece by piece."""

import bz2
import lzma
import os
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, Protocol

from common.errors import SourceError

MAGIC_BYTES = 6
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
_ZSTD = b"\x28\xb5\x2f\xfd"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
_XZ_MEMORY_MAX = 80 << 20
"""Of an xz decoder, bytes: its highest preset takes 65 MiB."""

EMPTY_MEMBERS_MAX = 64
"""The most members without data in a row. Some programs end a file with one; a member of 14 bytes
takes so much of the processor that a few megabytes of them would use up a reader's time."""

_BLOCK = 1 << 17
_PIECE = 1 << 20
_FREE = 160 << 20
_RATIO_MAX = 250


def unpacked_max(size: int) -> int:
    """Bytes that ``size`` bytes may unpack to: as many as any image explains, and no bomb."""
    return max(_FREE, size * _RATIO_MAX)


def is_gzip(start: bytes) -> bool:
    """Whether data are compressed with gzip, of which a byte inflates to 1,032 at most."""
    return start.startswith(_GZIP)


def is_zstd(start: bytes) -> bool:
    """Whether data are compressed with Zstandard, which Fr does not inflate."""
    return start.startswith(_ZSTD)


class Inflater(Protocol):
    """Inflates one member of compressed data."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What follows the member, of the data given so far."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes without more data."""

    def inflate(self, data: bytes, most: int) -> bytes:
        """Up to ``most`` bytes more.

        Raises:
            zlib.error: the data is damaged.
        """


class _Gzip:
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._rest = b""

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._rest

    def inflate(self, data: bytes, most: int) -> bytes:
        out = self._inflater.decompress(self._rest + data, most)
        self._rest = self._inflater.unconsumed_tail
        return out


class _Other:
    """bzip2 or xz."""

    def __init__(self, inflater: "bz2.BZ2Decompressor | lzma.LZMADecompressor") -> None:
        self._inflater = inflater

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    @property
    def needs_input(self) -> bool:
        return self._inflater.needs_input

    def inflate(self, data: bytes, most: int) -> bytes:
        try:
            return self._inflater.decompress(data, most)
        except (OSError, lzma.LZMAError, ValueError) as error:
            raise zlib.error(type(error).__name__) from error


def inflater_for(start: bytes) -> Inflater | None:
    """What inflates data that begin so; None if they are not compressed, or not so."""
    if start.startswith(_GZIP):
        return _Gzip()
    if start.startswith(_BZIP2) and start[3:4].isdigit():
        return _Other(bz2.BZ2Decompressor())
    if start.startswith(_XZ):
        return _Other(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_MAX))
    return None


def pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """All that a stream has."""
    while piece := stream.read(_PIECE):
        yield piece


def inflated(stream: IO[bytes], most: int = _PIECE, *, whole: bool = False) -> Iterator[bytes]:
    """Compressed data, from where the stream is, inflated; members follow one another.

    Args:
        stream: of compressed data.
        most: the longest piece.
        whole: whatever follows them that is not compressed is damage; else it is ignored.

    Raises:
        EOFError: they are truncated.
        zlib.error: they are damaged.
    """
    data, empty = stream.read(_BLOCK), 0
    while empty <= EMPTY_MEMBERS_MAX and (inflater := inflater_for(data)):
        empty += 1
        while not inflater.eof:
            if not data and inflater.needs_input:
                data = stream.read(_BLOCK)
                if not data:
                    raise EOFError
            piece = inflater.inflate(data, most)
            data, empty = b"", 0 if piece else empty
            yield piece
        data = inflater.unused_data.lstrip(b"\0")
        while len(data) < MAGIC_BYTES and (more := stream.read(_BLOCK)):
            data = (data + more).lstrip(b"\0")
    if empty > EMPTY_MEMBERS_MAX:
        raise zlib.error("only empty members")
    if whole and data:
        raise zlib.error("more data")


def unpacked(data: Iterator[bytes], most: int) -> BinaryIO:
    """A file in anonymous memory.

    Raises:
        SourceError: it would have more than ``most`` bytes.
    """
    file = os.fdopen(os.memfd_create("unpacked", os.MFD_CLOEXEC), "w+b")
    try:
        for piece in data:
            _check_room(file.tell() + len(piece), most)
            file.write(piece)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _check_room(size: int, most: int) -> None:
    if size > most:
        raise SourceError(f"compressed data of over {most >> 20} MiB: unpack them")
