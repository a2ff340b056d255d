"""Whether an archive lists all that it holds, so that no file in it is lost unnoticed.

``tarfile`` ends without a word at the first header that is damaged or cut, and at the end of the
first of several archives in one file; ``zipfile`` takes the last directory of several. So what lies
between, before and after the listed members is looked at here. Sources: pax of POSIX.1-2017 (ustar
interchange format), APPNOTE.TXT 6.3.10 of PKWARE.
"""

import tarfile
import zipfile
from struct import Struct
from typing import BinaryIO

from common.errors import SourceError

_PIECE = 1 << 20
_LISTED_TYPES = frozenset(tarfile.SUPPORTED_TYPES) | {b"V"}
"""And volume labels of GNU tar."""

_LOCAL = Struct("<4s22xHH")
"""The head of a member in a zip archive: signature, lengths of its name and extra field."""
_LOCAL_MAGIC, _END_MAGIC = b"PK\3\4", b"PK\5\6"
_END = Struct("<4s6xH8xH")
"""The end of the directory: signature, number of members, length of the comment."""
_END_SIZE = 22
_COMMENT_MAX = 0xFFFF
_IN_ZIP64 = 0xFFFF


def check_tar_header(info: tarfile.TarInfo) -> None:
    """Check that a member is of a kind that is known to hold nothing else.

    Raises:
        SourceError: it is not.
    """
    if info.type not in _LISTED_TYPES:
        raise SourceError("the archive has members of an unknown kind: unpack it")


def check_tar_end(plain: BinaryIO, end: int) -> None:
    """Check what follows the last member that was found.

    Args:
        plain: the archive, not compressed.
        end: where the next header would be.

    Raises:
        SourceError: it is not the end of the archive: zeros, and nothing else.
    """
    plain.seek(end)
    if len(plain.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise SourceError("the archive is damaged (its end is missing): copy or pack it again")
    plain.seek(end)
    while piece := plain.read(_PIECE):
        if piece.count(0) != len(piece):
            raise SourceError(
                "the archive is damaged, or the file holds several archives (data follow the last "
                "member that can be read): copy or pack it again"
            )


def check_zip(file: BinaryIO, archive: zipfile.ZipFile) -> None:
    """Check that the members are all that the file holds, and that none shares data with another.

    Args:
        file: the archive.
        archive: its directory.

    Raises:
        SourceError: they are not.
    """
    _check_zip_end(file, len(archive.infolist()))
    place = 0
    for info in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if info.header_offset < place:
            raise SourceError("the archive is damaged (its members overlap): pack it again")
        _check_gap(file, place, info.header_offset)
        file.seek(info.header_offset)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(_LOCAL_MAGIC):
            raise SourceError("the archive is damaged (a member is missing): copy or pack it again")
        _, name, extra = _LOCAL.unpack(head)
        place = info.header_offset + _LOCAL.size + name + extra + info.compress_size
    if place > archive.start_dir:
        raise SourceError("the archive is damaged (its members overlap): pack it again")
    _check_gap(file, place, archive.start_dir)


def _check_zip_end(file: BinaryIO, count: int) -> None:
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_SIZE - _COMMENT_MAX))
    tail = file.read()
    place = tail.rfind(_END_MAGIC)
    _, declared, comment = _END.unpack_from(tail, place)
    if declared not in (count & 0xFFFF, _IN_ZIP64):
        raise SourceError("the archive is damaged (members are missing): copy or pack it again")
    if tail[place + _END_SIZE + comment :].strip(b"\0"):
        raise SourceError(
            "the archive is damaged, or the file holds several archives (data follow its end): "
            "copy or pack it again"
        )


def _check_gap(file: BinaryIO, start: int, end: int) -> None:
    """Check that nothing between members is a member: what describes the one before, or padding,
    may be there."""
    file.seek(start)
    before = b""
    while start < end:
        piece = file.read(min(_PIECE, end - start))
        if not piece:
            return
        if _LOCAL_MAGIC in before + piece:
            raise SourceError(
                "the archive is damaged, or the file holds several archives (it has members that "
                "its directory omits): copy or pack it again"
            )
        start, before = start + len(piece), piece[-3:]
