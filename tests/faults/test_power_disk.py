"""The disk that loses power, mounted: files as any program has them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.power_disk import PowerDisk, missing, power_disk

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerDisk]:
    with power_disk(tmp_path / "disk", tmp_path / "backing") as disk:
        yield disk


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    sync(path)
    sync(path.parent)


def test_synced_data_stays_and_what_came_after_it_is_gone(disk: PowerDisk) -> None:
    path = disk.folder / "a"
    kept(path, b"synced")
    with path.open("r+b") as file:
        file.write(b"other!")
        file.seek(100_000)
        file.write(b"more")
    assert path.stat().st_size == 100_004
    disk.cut()
    assert path.read_bytes() == b"synced"


@pytest.mark.parametrize("flag", [os.O_SYNC, os.O_DSYNC])
def test_writes_to_a_file_that_was_opened_to_be_synced_stay(disk: PowerDisk, flag: int) -> None:
    path = disk.folder / "a"
    kept(path, b"old")
    descriptor = os.open(path, os.O_WRONLY | flag)
    os.write(descriptor, b"new")
    os.close(descriptor)
    disk.cut()
    assert path.read_bytes() == b"new"


def test_names_stay_once_their_folder_is_synced(disk: PowerDisk) -> None:
    kept(disk.folder / "a", b"a")
    (disk.folder / "a").rename(disk.folder / "b")
    (disk.folder / "new").write_bytes(b"new")
    sync(disk.folder / "new")
    (disk.folder / "folder").mkdir()
    disk.cut()
    assert [path.name for path in disk.folder.iterdir()] == ["a"]
    (disk.folder / "a").rename(disk.folder / "b")
    (disk.folder / "folder").mkdir()
    sync(disk.folder)
    disk.cut()
    assert sorted(path.name for path in disk.folder.iterdir()) == ["b", "folder"]


def test_space_can_be_reserved_and_files_removed(disk: PowerDisk) -> None:
    path = disk.folder / "a"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
    assert path.read_bytes() == bytes(1 << 20)
    path.unlink()
    assert list(disk.folder.iterdir()) == []


def test_a_disk_is_unmounted_at_the_end(tmp_path: Path) -> None:
    with power_disk(tmp_path / "disk", tmp_path / "backing") as disk:
        assert os.path.ismount(disk.folder)
    assert not os.path.ismount(tmp_path / "disk")


def test_a_disk_that_lies_keeps_nothing(tmp_path: Path) -> None:
    with power_disk(tmp_path / "disk", tmp_path / "backing", lies=True) as disk:
        kept(disk.folder / "a", b"a")
        disk.cut()
        assert list(disk.folder.iterdir()) == []
