"""A NIfTI file as a stream of bytes, inflated if it is compressed with gzip (RFC 1952)."""

import os
import zlib
from pathlib import Path

_BLOCK = 1 << 17  # bytes of a compressed file that are read at once
_PIECE = 1 << 20  # bytes that are inflated at once: beside the volume, no more are in memory
_GZIP = b"\x1f\x8b"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


class ByteStream:
    """An open file, read forwards. Gzip is recognised by its first bytes, not by the file's name.

    Attributes:
        compressed: whether the file is compressed.
        stamp: size of the file on disk, bytes; when it was last written, ns since the epoch.
        position: offset of the next byte, in the uncompressed data.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self.compressed = self._raw.peek(2)[:2] == _GZIP
        self._inflater = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._packed = b""
        self.stamp = self.current_stamp()
        self.position = 0

    def current_stamp(self) -> tuple[int, int]:
        """The stamp as it is now: another one if the file has changed."""
        info = os.fstat(self._raw.fileno())
        return info.st_size, info.st_mtime_ns

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; fewer only at the end.

        Raises:
            EOFError: compressed data is truncated.
            zlib.error: compressed data is damaged.
        """
        if not self.compressed:
            data = self._raw.read(count)
        else:
            data = b""
            while len(data) < count and (more := self._inflate(count - len(data))):
                data += more
        self.position += len(data)
        return data

    def fill(self, buffer: memoryview) -> None:
        """Read bytes until ``buffer`` is full.

        Raises:
            EOFError: the data ends before that.
            zlib.error: compressed data is damaged.
        """
        done = 0
        while done < len(buffer):
            if self.compressed:
                piece = self._inflate(min(_PIECE, len(buffer) - done))
                count = len(piece)
                buffer[done : done + count] = piece
            else:
                count = self._raw.readinto(buffer[done:])
            if not count:
                raise EOFError
            done += count
        self.position += done

    def seek(self, position: int) -> None:
        """Go to ``position``; in a compressed file forwards only.

        Raises:
            EOFError: compressed data ends before that.
        """
        if not self.compressed:
            self._raw.seek(position)
            self.position = position
        while self.position < position:
            count = len(self._inflate(min(_PIECE, position - self.position)))
            if not count:
                raise EOFError
            self.position += count

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._raw.close()

    def _inflate(self, most: int) -> bytes:
        """The next bytes, up to ``most``; none at the end, which checks the checksum (CRC-32)."""
        while True:
            if self._inflater.eof and not self._next_member():
                return b""
            self._packed = self._packed or self._raw.read(_BLOCK)
            if not self._packed:
                raise EOFError
            data = self._inflater.decompress(self._packed, most)
            self._packed = self._inflater.unconsumed_tail
            if data:
                return data

    def _next_member(self) -> bool:
        """Go to the next member (RFC 1952 2.2), past zeros that pad the last one.

        Other bytes behind it are not read, as gzip(1) does it: some archives append their own.
        """
        rest = self._inflater.unused_data
        while len(found := rest.lstrip(b"\0")) < len(_GZIP):
            rest = self._raw.read(_BLOCK)
            if not rest:
                return False
            rest = found + rest
        if not found.startswith(_GZIP):
            return False
        self._inflater = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._packed = found
        return True
