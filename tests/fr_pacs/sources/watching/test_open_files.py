"""Whether a file is being written, as Linux knows it."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from fr_pacs.sources.watching.open_files import FileState, state_of


def test_a_file_that_is_open_for_writing_is_told_from_one_that_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(b"123")
        file.flush()
        state = state_of(path)
        assert state is not None
        assert state.being_written
    info = path.stat()
    assert state_of(path) == FileState(3, info.st_mtime_ns, being_written=False)
    with path.open("rb"):
        assert state_of(path) == FileState(3, info.st_mtime_ns, being_written=False)


def test_whoever_writes_meanwhile_is_not_disturbed_and_does_not_end_this_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    path.touch()
    ended = threading.Event()

    def write() -> None:
        for _ in range(2000):
            with path.open("ab") as file:
                file.write(b"1")
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not ended.is_set():
        state_of(path)
    thread.join()
    assert path.stat().st_size == 2000


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EWOULDBLOCK])
def test_a_file_that_cannot_be_looked_at_now_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"123")
    info = path.stat()

    def failing(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing)
        assert state_of(path) == FileState(3, info.st_mtime_ns, being_written=True)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: path.with_name("absent").stat())
        assert state_of(path) is None
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", failing)
        state = state_of(path)
    assert state == FileState(0, 0, being_written=True)


def test_a_file_that_must_not_be_read_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"123")

    def refused(*_: object) -> Any:
        raise PermissionError

    monkeypatch.setattr(os, "open", refused)
    assert state_of(path) == FileState(3, path.stat().st_mtime_ns)


def test_what_is_no_file_has_no_state(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("absent")
    for name in ("pipe", "link", "absent", "."):
        assert state_of(tmp_path / name) is None
