"""The files of an ECG in an archive, as if they lay in a folder."""

from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, Protocol, Self

from common.formats.archives import Archive, member_path, on_disk
from common.formats.opening import open_archive, open_file


class HasSize(Protocol):
    """What is known of a file before it is opened."""

    @property
    def st_size(self) -> int:
        """Bytes."""


class EcgPath(Protocol):
    """A file of an ECG, on the disk or in an archive: what the readers use of a path."""

    @property
    def name(self) -> str:
        """Of the file, without its folder."""

    @property
    def suffix(self) -> str:
        """Of the name, with its dot."""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """The file, to read and to seek in.

        Raises:
            OSError: it cannot be opened.
        """

    def stat(self) -> HasSize:
        """Its size.

        Raises:
            OSError: there is no such file.
        """

    def with_name(self, name: str) -> Self:
        """The file of this name in the same folder, which may not exist."""


class _Size:
    def __init__(self, size: int) -> None:
        self.st_size = size


class MemberFile:
    """A member of an archive.

    Args:
        path: of the archive.
        archive: which is open.
        place: the member's folder and name.
    """

    def __init__(self, path: Path, archive: Archive, place: PurePosixPath) -> None:
        self._path, self._archive, self._place = path, archive, place

    @property
    def name(self) -> str:
        """Of the member, without its folder."""
        return self._place.name

    @property
    def suffix(self) -> str:
        """Of the name, with its dot."""
        return self._place.suffix

    def open(self, mode: Literal["rb"]) -> BinaryIO:  # noqa: ARG002 - as that of a Path
        """The member, unpacked into memory."""
        return open_file(member_path(self._path, self._number())).file

    def stat(self) -> HasSize:
        """Its size when it is unpacked, as the archive declares it."""
        return _Size(self._archive.members[self._number()].size)

    def with_name(self, name: str) -> Self:
        """The member of this name in the same folder of the archive."""
        return type(self)(self._path, self._archive, self._place.with_name(name))

    def _number(self) -> int:
        for member in self._archive.members:
            if PurePosixPath(member.name) == self._place:
                return member.number
        raise FileNotFoundError(2, "not in the archive", self._place.suffix)


def ecg_path(path: Path) -> EcgPath:
    """The file at a path, which may be that of a member (``archives.member_path``).

    Raises:
        OSError: the archive cannot be opened.
        SourceError: it is damaged.
    """
    on = on_disk(path)
    if on == path:
        return path
    archive = open_archive(on)
    return MemberFile(on, archive, PurePosixPath(archive.members[int(path.name)].name))
