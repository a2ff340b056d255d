"""What a path names, opened: files, compressed files, members of archives."""

import gzip
import os
from pathlib import Path

import pytest

from common.errors import SourceError
from common.formats.archives import member_path
from common.formats.opening import open_archive, open_file
from tests.common.formats.archive_files import pack


def test_a_file_is_opened_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    with open_file(path) as opened:
        assert (opened.name, opened.size, opened.in_archive) == ("a.bin", 3, False)
        assert opened.stamp == (3, path.stat().st_mtime_ns)
        opened.inflate()
        assert opened.file.read() == b"abc"


def test_a_compressed_file_is_inflated_where_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"abc"))
    with open_file(path) as opened:
        opened.inflate()
        assert opened.file.read() == b"abc"
        assert opened.file.fileno() > 0
        assert opened.stamp == (path.stat().st_size, path.stat().st_mtime_ns)


def test_a_member_is_opened_by_its_number_and_has_its_archives_stamp(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x/1.dcm": b"one", "2": gzip.compress(b"two")})
    with open_file(member_path(path, 0)) as opened:
        assert (opened.name, opened.in_archive, opened.file.read()) == ("1.dcm", True, b"one")
        assert opened.stamp == (path.stat().st_size, path.stat().st_mtime_ns)
    with open_file(member_path(path, 1)) as opened:
        opened.inflate()
        assert opened.file.read() == b"two"


def test_an_archive_is_parsed_once_until_it_changes(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"1": b"one"})
    first = open_archive(path)
    assert open_archive(path) is first
    os.replace(pack(tmp_path / "b.zip", {"1": b"one", "2": b"two"}), path)  # noqa: PTH105
    second = open_archive(path)
    assert second is not first
    assert len(second.members) == 2
    assert first.disk.closed


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "absent")
    (tmp_path / "a.txt").write_bytes(b"no archive")
    with pytest.raises(SourceError, match="damaged"):
        open_file(member_path(tmp_path / "a.txt", 0))
