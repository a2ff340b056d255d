"""Changes in a folder are told by the kernel or found by polling, whatever the names are."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import watchfiles
from structlog.testing import capture_logs

from common.runtime.logger import get_log
from fr_pacs.sources.watching import folder_changes
from fr_pacs.sources.watching.folder_changes import FolderChanges
from tests.running import SOON_S


class Told:
    """What was told so far."""

    def __init__(self, changes: FolderChanges) -> None:
        self._changes = iter(changes)

    def until(self, *paths: Path) -> bool:
        """Whether these paths are told, or that any may have changed."""
        left, deadline = set(paths), time.monotonic() + SOON_S
        while left and time.monotonic() < deadline:
            found = next(self._changes)
            left = set() if found is None else left - found
        return not left

    def until_any(self) -> bool:
        """Whether it is told that any path may have changed."""
        deadline = time.monotonic() + SOON_S
        while time.monotonic() < deadline:
            if next(self._changes) is None:
                return True
        return False


@contextlib.contextmanager
def watching(root: Path, poll_s: float | None) -> Iterator[Told]:
    """The changes in a folder, whose present state was looked at."""
    stop = threading.Event()
    told = Told(FolderChanges(root, stop, poll_s, get_log()))
    assert told.until_any()
    yield told
    stop.set()
    assert [one for one in told._changes if one is None] == []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little waiting."""
    monkeypatch.setattr(folder_changes, "TICK_S", 0.05)
    monkeypatch.setattr(folder_changes, "_STEP_MS", 20)
    monkeypatch.setattr(folder_changes, "_DEBOUNCE_MS", 40)
    monkeypatch.setattr(folder_changes, "_CHECK_S", 0.1)


@pytest.mark.parametrize("poll_s", [None, 0.1], ids=["kernel", "polling"])
def test_what_is_written_renamed_or_removed_is_told(tmp_path: Path, poll_s: float | None) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with watching(root, poll_s) as told:
        file, study = root / "a", root / "study"
        file.write_bytes(b"1")
        assert told.until(file)
        file.write_bytes(b"12")
        os.utime(file, (2e9, 2e9))
        assert told.until(file)
        (tmp_path / "outside" / "deep").mkdir(parents=True)
        (tmp_path / "outside" / "deep" / "b").write_bytes(b"1")
        (tmp_path / "outside").rename(study)
        assert told.until(study)
        (study / "deep" / "c").write_bytes(b"1")
        assert told.until(study / "deep" / "c")
        file.unlink()
        assert told.until(file)


@pytest.mark.parametrize("poll_s", [None, 0.1], ids=["kernel", "polling"])
def test_a_name_that_is_no_text_hides_nothing(tmp_path: Path, poll_s: float | None) -> None:
    with watching(tmp_path, poll_s) as told:
        (tmp_path / os.fsdecode(b"M\xfcller")).write_bytes(b"1")
        assert told.until_any()
        (tmp_path / "b").write_bytes(b"1")
        assert told.until(tmp_path / "b")


@pytest.mark.parametrize("poll_s", [None, 0.1], ids=["kernel", "polling"])
def test_a_folder_that_goes_and_comes_again_is_watched_again(
    tmp_path: Path, poll_s: float | None
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with watching(root, poll_s) as told:
        root.rename(tmp_path / "away")
        assert told.until_any()
        root.mkdir()
        assert told.until_any()
        (root / "b").write_bytes(b"1")
        assert told.until(root / "b")


def test_all_is_looked_at_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_changes, "RESCAN_S", 0.1)
    stop = threading.Event()
    told = Told(FolderChanges(tmp_path, stop, None, get_log()))
    assert told.until_any()
    assert told.until_any()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('OS file watch limit reached. about ["/in/Doe^Jane"]', "the limit of watches is reached"),
        ('Permission denied (os error 13) about ["/in/Doe^Jane"]', "Permission denied"),
    ],
)
def test_it_polls_where_the_kernel_watches_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    """And names no folder in the log."""
    real = watchfiles.watch

    def limited(*paths: Path, **options: Any) -> Any:
        if not options["force_polling"]:
            raise OSError(text)
        return real(*paths, **{**options, "poll_delay_ms": 50})

    monkeypatch.setattr(folder_changes, "watch", limited)
    stop = threading.Event()
    changes = FolderChanges(tmp_path, stop, None, get_log())
    told = Told(changes)
    with capture_logs() as lines:
        assert told.until_any()
    assert changes.poll_s == folder_changes.FALLBACK_POLL_S
    assert [line["event"] for line in lines] == [
        "the kernel cannot report changes in SOURCE: polling"
    ]
    assert lines[0]["reason"].startswith(reason)
    assert "Doe" not in str(lines)
    (tmp_path / "b").write_bytes(b"1")
    assert told.until(tmp_path / "b")


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    changes = iter(FolderChanges(tmp_path, stop, None, get_log()))
    next(changes)
    stop.set()
    assert not any(changes)
