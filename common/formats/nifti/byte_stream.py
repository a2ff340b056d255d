"""A NIfTI file as a stream of bytes, inflated if it is compressed with gzip (RFC 1952)."""

import gzip
import os
from pathlib import Path


class ByteStream:
    """An open file, read forwards. Gzip is recognised by its first bytes, not by the file's name.

    Attributes:
        compressed: whether the file is compressed.
        size: of the file on disk, bytes.
        mtime_ns: when the file was last written, ns since the epoch.
        position: offset of the next byte, in the uncompressed data.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self.compressed = self._raw.peek(2)[:2] == b"\x1f\x8b"
        self._reader = gzip.GzipFile(fileobj=self._raw) if self.compressed else self._raw
        stat = os.fstat(self._raw.fileno())
        self.size, self.mtime_ns = stat.st_size, stat.st_mtime_ns
        self.position = 0

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; fewer only at the end."""
        data = self._reader.read(count)
        self.position += len(data)
        return data

    def fill(self, buffer: memoryview) -> None:
        """Read bytes until ``buffer`` is full.

        Raises:
            EOFError: the data ends before that.
        """
        done = 0
        while done < len(buffer):
            count = self._reader.readinto(buffer[done:])
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
            return
        scratch = memoryview(bytearray(min(1 << 20, max(position - self.position, 0))))
        while self.position < position:
            self.fill(scratch[: position - self.position])

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._reader.close()
        self._raw.close()
