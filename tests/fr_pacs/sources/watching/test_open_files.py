"""Whether a file is being written, as Linux knows it."""

import os
import threading
from pathlib import Path

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


def test_what_is_no_file_has_no_state(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("absent")
    for name in ("pipe", "link", "absent", "."):
        assert state_of(tmp_path / name) is None
