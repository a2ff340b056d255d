"""Opens what a path names: a file, or a member of an archive, as if it were a file.

A member's path is that of its archive with its number below, such as ``study.zip/17``
(``archives.member_path``). What is packed is unpacked into anonymous memory.
"""

import os
from pathlib import Path
from typing import BinaryIO

from common.formats.archives import Archive
from common.formats.compression import (
    MAGIC_BYTES,
    inflated,
    inflater_for,
    unpacked,
    unpacked_max,
)

Stamp = tuple[int, int]
"""Size of a file, bytes, and when it was last written, ns since the epoch."""


class Opened:
    """An open file.

    Attributes:
        file: to read and to seek in; it has a descriptor.
        name: of the file or member, without its folder.
        in_archive: whether it is a member of an archive.
        packed_size: bytes on disk, or those that the member takes in its archive.
    """

    def __init__(
        self, file: BinaryIO, disk: BinaryIO, name: str, packed_size: int | None = None
    ) -> None:
        self.file, self.name = file, name
        self.in_archive = packed_size is not None
        self.packed_size = self.size if packed_size is None else packed_size
        self._disk = disk

    @property
    def stamp(self) -> Stamp:
        """Of the file on disk, the archive's for a member, as it is now."""
        info = os.fstat(self._disk.fileno())
        return info.st_size, info.st_mtime_ns

    @property
    def size(self) -> int:
        """Of ``file``, bytes."""
        return os.fstat(self.file.fileno()).st_size

    def inflate(self) -> None:
        """Have ``file`` inflated if it is compressed.

        Raises:
            SourceError: it inflates to too much.
            EOFError, zlib.error: it is truncated or damaged.
        """
        packed = self.file
        compressed = inflater_for(packed.read(MAGIC_BYTES)) is not None
        packed.seek(0)
        if compressed:
            self.file = unpacked(inflated(packed), unpacked_max(self.size))
            if packed is not self._disk:
                packed.close()

    def close(self) -> None:
        """Close the file; an archive stays open for its next member. Idempotent."""
        self.file.close()
        if not self.in_archive:
            self._disk.close()

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Kept:
    """The archive that was read last: its index is not parsed again for each member."""

    path: Path | None = None
    archive: Archive | None = None


_kept = _Kept()


def open_file(path: Path) -> Opened:
    """Open a file, or a member of an archive.

    Raises:
        OSError: it cannot be opened.
        SourceError: its archive is damaged, encrypted, or unpacks to too much.
    """
    try:
        file = path.open("rb")
        return Opened(file, file, path.name)
    except NotADirectoryError:
        archive = open_archive(path.parent)
        number = int(path.name)
        name = archive.members[number].name.rpartition("/")[2]
        return Opened(archive.open(number), archive.disk, name, archive.packed_size(number))


def open_archive(path: Path) -> Archive:
    """The archive at ``path``, opened already if it was the last one and has not changed.

    Raises:
        OSError: it cannot be opened.
        SourceError: it is damaged, or unpacks to too much.
    """
    if _kept.archive is not None:
        is_same = _kept.path == path and _identity(path) == _kept.archive.identity
        if is_same:
            return _kept.archive
        forget_archive()
    archive = Archive(path)
    _kept.path, _kept.archive = path, archive
    return archive


def forget_archive() -> None:
    """Close the archive that was read last. Idempotent."""
    if _kept.archive is not None:
        _kept.archive.close()
    _kept.path, _kept.archive = None, None


def _identity(path: Path) -> tuple[int, int, int]:
    info = path.stat()
    return info.st_ino, info.st_size, info.st_mtime_ns
