"""The files of an upload: written where they belong, by one request at a time."""

from pathlib import Path

import pytest

from fr_hub.web.uploads.upload import Owner, TooManyFiles, TooMuch, Upload, WrongOffset


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    made = Upload("x.1", Owner("default", "jane"), tmp_path / "up", 100, 5)
    for name, size in (("a", 3), ("in/b", 0), ("c", 5), ("in/d", 2)):
        made.add_file(name, size)
    return made


def content(upload: Upload) -> dict[str, bytes]:
    paths = (path for path in upload.folder.rglob("*") if path.is_file())
    return {path.relative_to(upload.folder).as_posix(): path.read_bytes() for path in paths}


def test_files_and_folders_beyond_the_reserved_ones_are_refused(upload: Upload) -> None:
    with pytest.raises(TooManyFiles):
        upload.add_file("e", 0)
    assert not (upload.folder / "e").exists()


@pytest.mark.parametrize("step", [1, 2, 4, 10])
def test_bytes_go_to_the_files_in_their_order(upload: Upload, step: int) -> None:
    for at in range(0, 10, step):
        upload.write(at, b"0123456789"[at : at + step])
    assert content(upload) == {"a": b"012", "in/b": b"", "c": b"34567", "in/d": b"89"}
    modes = {path.stat().st_mode & 0o777 for path in upload.folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    upload.remove_files()
    upload.remove_files()
    assert not upload.folder.exists()
    assert upload.names == {}


def test_bytes_that_do_not_follow_or_are_too_many_are_refused(upload: Upload) -> None:
    upload.write(0, b"01")
    for offset in (0, 1, 3):
        with pytest.raises(WrongOffset) as wrong:
            upload.write(offset, b"x")
        assert wrong.value.offset == 2
    with pytest.raises(TooMuch):
        upload.write(2, b"x" * 9)
    assert upload.offset == 2


def test_the_request_that_came_last_sends(upload: Upload) -> None:
    stalled = upload.take_turn()
    upload.write(0, b"01", stalled)
    resumed = upload.take_turn()
    with pytest.raises(WrongOffset):
        upload.write(2, b"x", stalled)
    upload.write(2, b"23", resumed)
    assert upload.offset == 4
