"""Archives that hold more than they list."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import SourceError
from common.formats.archives import Archive
from tests.common.formats.archive_files import pack

FOUR = {name: name.encode() * 700 for name in "abcd"}
FILES = {"a/1": b"one", "b": b"two" * 999, "c": b""}


def names_in(path: Path) -> list[str]:
    archive = Archive(path)
    archive.close()
    return [member.name for member in archive.members]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("a.tar", lambda data: data[:1536] + b"7" * 512 + data[2048:]),
        ("a.tar", lambda data: data[:1536] + bytes(512) + data[2048:]),
        ("a.tar", lambda data: data[: 1536 + 200]),
        ("a.tar", lambda data: data[:1536]),
        ("a.tar", lambda data: data + data),
        ("a.tar.gz", lambda data: data + data),
        ("a.tar.gz", lambda data: data + b"PK\3\4"),
        ("a.tar.xz", lambda data: data + b"rest"),
        ("a.zip", lambda data: data + data),
        ("a.zip", lambda data: data + b"rest"),
        ("a.zip", lambda data: data[:-12] + b"\3\0" + data[-10:]),  # how many members it has
    ],
)
def test_an_archive_that_holds_more_than_it_lists_is_refused(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    path = pack(tmp_path / name, FOUR)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SourceError, match="damaged"):
        Archive(path)


def test_two_zip_archives_whose_second_directory_was_adjusted_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", FOUR)
    with path.open("ab") as file, zipfile.ZipFile(file, "a") as archive:
        archive.filelist.clear()
        archive.NameToInfo.clear()
        archive.writestr("e", b"e")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["e"]
    with pytest.raises(SourceError, match="directory omits"):
        Archive(path)


def test_a_zip_archive_that_was_written_as_a_stream_is_whole(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        archive.comment = b"packed"
    path = tmp_path / "a.zip"
    path.write_bytes(pipe.data + bytes(100))
    assert names_in(path) == [*FILES]


def test_members_of_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("a.nii")
        assert tar.fileobj is not None
        info.type, info.size = b"M", 3  # the rest of a file from another volume
        tar.fileobj.write(info.tobuf() + b"abc" + bytes(509))
        tar.offset += 1024
    with pytest.raises(SourceError, match="unknown kind"):
        Archive(path)


def test_zip_members_that_share_their_data_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a": bytes(9000)})
    data = path.read_bytes()
    begin, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    counts = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 3, 3, 3 * (end - begin), begin, 0)
    path.write_bytes(data[:begin] + data[begin:end] * 3 + counts)
    with pytest.raises(SourceError, match="overlap"):
        Archive(path)
