"""Archives of files, read without writing: zip, and tar, compressed (gzip, bzip2, xz) or not.

``zipfile`` and ``tarfile`` of Python parse them, in a reader process with its limits. Nothing is
extracted to disk, so names in archives lead nowhere: members are read by their number. Each is
unpacked into anonymous memory of a bounded size when it is read.
"""

import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from common.errors import SourceError
from common.formats.archive_checks import check_tar_end, check_tar_header, check_zip
from common.formats.archive_links import files_in
from common.formats.compression import inflated, pieces, unpacked, unpacked_max

MEMBERS_MAX = 65_535
"""Files in an archive."""

UNPACKED_MAX = 1 << 30
"""Bytes that a compressed tar file may unpack to: all of it is in memory, for its members may be
read in any order."""

_LINK = "a link in an archive, without its file: pack the file itself"

_TAR = slice(257, 262), b"ustar"
_ZIP = (b"PK\3\4", b"PK\5\6")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive."""

    number: int
    name: str
    size: int
    """Bytes when it is unpacked, as the archive declares it."""


def is_zip(head: bytes) -> bool:
    """Whether a file begins as a zip archive."""
    return head.startswith(_ZIP)


def is_tar(head: bytes) -> bool:
    """Whether data begin as a tar archive (POSIX.1-1988 and later)."""
    return head[_TAR[0]] == _TAR[1]


def on_disk(path: Path) -> Path:
    """The file on disk that a path names: the archive of a member."""
    return path.parent if path.parent.is_file() else path


def member_path(archive: Path, number: int) -> Path:
    """The path that names a member of an archive here; its own name may be anything."""
    return archive / str(number)


class Archive:
    """An open archive.

    Args:
        path: the file.

    Attributes:
        disk: the file; closed with this.
        close: closes it. Idempotent.
        members: the files in it.

    Raises:
        SourceError: it is damaged, encrypted, or unpacks to too much.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        with ExitStack() as stack:
            self.disk: BinaryIO = stack.enter_context(path.open("rb"))
            with as_source_error():
                self._open(self.disk.read(512), stack)
            self.close = stack.pop_all().close

    def _open(self, head: bytes, stack: ExitStack) -> None:
        self.disk.seek(0)
        self._zip: zipfile.ZipFile | None = None
        if is_zip(head):
            self._zip = stack.enter_context(zipfile.ZipFile(self.disk))
            self._infos = [one for one in self._zip.infolist() if one.file_size or not one.is_dir()]
            self._check_count(len(self._infos))
            check_zip(self.disk, self._zip)
            sizes = [(info.filename, info.file_size) for info in self._infos]
        else:
            plain = self.disk if is_tar(head) else stack.enter_context(self._inflated())
            self._tar = stack.enter_context(tarfile.TarFile(fileobj=plain))
            self._found = [*files_in(self._limited(self._tar))]
            check_tar_end(plain, self._tar.offset)
            # A sparse file may be longer than its archive: no image is.
            self._longest = os.fstat(plain.fileno()).st_size
            sizes = [(name, file.size if file else 0) for name, file in self._found]
        if sum(size for _, size in sizes) > (most := self._unpacked_max()):
            raise SourceError(f"its files take over {most >> 20} MiB together: unpack the archive")
        self.members = [Member(number, *each) for number, each in enumerate(sizes)]

    def _limited(self, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        for number, info in enumerate(tar, 1):
            self._check_count(number)
            check_tar_header(info)
            yield info

    def _check_count(self, count: int) -> None:
        if count > MEMBERS_MAX:
            raise SourceError(f"an archive of over {MEMBERS_MAX} files: unpack it")

    def _unpacked_max(self) -> int:
        """Bytes that all members may have together: each one has the budget of a file, and there
        may be many."""
        return unpacked_max(os.fstat(self.disk.fileno()).st_size)

    def _inflated(self) -> BinaryIO:
        most = min(UNPACKED_MAX, self._unpacked_max())
        return unpacked(inflated(self.disk, whole=True), most)

    @property
    def identity(self) -> tuple[int, int, int]:
        """Inode, size and time of the last change of the open file."""
        info = os.fstat(self.disk.fileno())
        return info.st_ino, info.st_size, info.st_mtime_ns

    def packed_size(self, number: int) -> int:
        """Bytes that a member takes in the archive."""
        if self._zip is not None:
            return self._infos[number].compress_size
        file = self._found[number][1]
        return file.size if file else 0

    def open(self, number: int) -> BinaryIO:
        """A member, in memory.

        Raises:
            SourceError: it is damaged or encrypted, unpacks to too much, or is a link to a file
                that is not in the archive.
        """
        with as_source_error():
            if self._zip is not None:
                info = self._infos[number]
                if stat.S_ISLNK(info.external_attr >> 16):
                    raise SourceError(_LINK)
                if info.flag_bits & 1:
                    raise SourceError("in an encrypted archive: unpack it")
                with self._zip.open(info) as stream:
                    return unpacked(pieces(stream), unpacked_max(info.compress_size))
            _, file = self._found[number]
            found = self._tar.extractfile(file) if file else None
            if found is None:
                raise SourceError(_LINK)
            return unpacked(pieces(found), self._longest)


@contextmanager
def as_source_error() -> Iterator[None]:
    """Turn whatever a damaged archive raises into a ``SourceError`` that quotes no name in it."""
    try:
        yield
    except (SourceError, MemoryError):
        raise
    except NotImplementedError as error:
        raise SourceError("packed by a method that Fr does not read: unpack the archive") from error
    except RuntimeError as error:
        raise SourceError("in an encrypted archive: unpack it") from error
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or type(error).__name__}") from error
    except Exception as error:
        # Whatever a damaged archive makes the parsers raise.
        raise SourceError(
            f"the archive is damaged ({type(error).__name__}): copy or pack it again"
        ) from error
