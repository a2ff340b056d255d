"""A NIfTI file as a stream of bytes, inflated if it is compressed (gzip, bzip2, xz)."""

import zlib
from pathlib import Path

from common.formats.compression import EMPTY_MEMBERS_MAX, MAGIC_BYTES, inflater_for, is_gzip
from common.formats.opening import open_file

_BLOCK = 1 << 17  # bytes of a compressed file that are read at once
_PIECE = 1 << 20  # bytes that are inflated at once: beside the volume, no more are in memory


class ByteStream:
    """An open file, or member of an archive, read forwards. Compression is recognised by the first
    bytes, not by the name.

    Attributes:
        compressed: whether the file is compressed.
        is_gzip: whether with gzip.
        size: of the file or member, bytes.
        stamp: size of the file on disk, bytes; when it was last written, ns since the epoch. For a
            member, those of its archive.
        position: offset of the next byte, in the uncompressed data.

    Raises:
        OSError: the file cannot be opened.
        SourceError: its archive is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._opened = open_file(path)
        self._raw = self._opened.file
        start = self._raw.read(MAGIC_BYTES)
        self._inflater = inflater_for(start)
        self._raw.seek(0)
        self._packed = b""
        self._ended = 0  # members without data, in a row
        self.compressed, self.is_gzip = self._inflater is not None, is_gzip(start)
        self.size = self._opened.size
        self.stamp = self.current_stamp()
        self.position = 0

    def current_stamp(self) -> tuple[int, int]:
        """The stamp as it is now: another one if the file has changed."""
        return self._opened.stamp

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
                count = self._raw.readinto(buffer[done:])  # type: ignore[attr-defined]
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
        self._opened.close()

    def _inflate(self, most: int) -> bytes:
        """The next bytes, up to ``most``; none at the end, which checks the checksum."""
        while self._inflater is not None:
            if self._inflater.eof:
                self._ended += 1
                if self._ended > EMPTY_MEMBERS_MAX:
                    raise zlib.error("only empty members")
                self._next_member(self._inflater.unused_data)
                continue
            if not self._packed and self._inflater.needs_input:
                self._packed = self._raw.read(_BLOCK)
                if not self._packed:
                    raise EOFError
            packed, self._packed = self._packed, b""
            if data := self._inflater.inflate(packed, most):
                self._ended = -1  # its own end does not count
                return data
        return b""

    def _next_member(self, rest: bytes) -> None:
        """Go to the next member, past zeros that pad the last one.

        Other bytes behind it are not read, as gzip(1) does it: some archives append their own.
        """
        while len(found := rest.lstrip(b"\0")) < MAGIC_BYTES and (more := self._raw.read(_BLOCK)):
            rest = found + more
        self._inflater, self._packed = inflater_for(found), found
