"""A watched folder as a source: tasks while it runs, and what it refuses."""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from common.domain.file_outcomes import FileOutcome
from common.errors import SettingsError, SourceError
from common.formats.reader import Reader
from common.runtime.logger import get_log
from common.scan_files.file_names import FileNames
from common.scan_files.file_tasks import FailedTask
from common.scan_files.image_files import ReadOptions
from common.scan_files.skipped_files import SkippedFiles, Watches
from fr_pacs.sources.base import AccountsForFiles, Origin, Remembers, ScanTask, Source
from fr_pacs.sources.watching import source as watched_source
from fr_pacs.sources.watching.collector import Collector
from fr_pacs.sources.watching.folder_changes import FALLBACK_POLL_S
from fr_pacs.sources.watching.sent_index import SENT_EARLIER
from fr_pacs.sources.watching.source import WatchedFolder
from fr_pacs.sources.watching.under_way import WatchedTask
from tests.fr_pacs.sources.image_folders import Save
from tests.fr_pacs.sources.watching.watched import KEYS

_PATIENCE_S = 30.0


OTHER = np.ones((2, 2, 2), np.int16)


def watched(root: Path, **options: Any) -> WatchedFolder:
    index = root.parent / "index"
    given: dict[str, Any] = {"quiet_s": 0.1, **options}
    return WatchedFolder(root, ReadOptions("site-a", KEYS), FileNames(), index, get_log(), **given)


@contextlib.contextmanager
def watching(
    root: Path, skipped: list[SkippedFiles] | None = None, **options: Any
) -> Iterator[WatchedFolder]:
    folder = watched(root, **options)
    folder.start(([] if skipped is None else skipped).append, lambda _: None)
    try:
        yield folder
    finally:
        folder.close()


def next_task(tasks: Iterator[ScanTask | None]) -> ScanTask:
    deadline = time.monotonic() + _PATIENCE_S
    while (task := next(tasks)) is None:
        assert time.monotonic() < deadline, "no task came"
        time.sleep(0.01)
    return task


def test_it_sends_what_is_there_and_what_arrives_and_after_a_restart_only_what_is_new(
    root: Path, save: Save, reader: Reader
) -> None:
    (root / "notes.txt").write_text("text")
    save("a.nii")
    skipped: list[SkippedFiles] = []
    with watching(root, skipped, reader=reader) as folder:
        assert isinstance(folder, Watches)
        assert isinstance(folder, Remembers)
        source: Source = folder
        assert (source.total, source.waits) == (None, True)
        tasks = iter(folder)
        task = next_task(tasks)
        assert task.label == "a.nii"
        loaded = task.load()
        folder.stored([loaded.scan.scan_id])
        save("deep/b.nii", OTHER)
        assert next_task(tasks).label == "deep/b.nii"
        assert [one.counts for one in skipped] == [{"text": 1}]
    with watching(root, skipped, reader=reader) as folder:
        assert [label for label, _ in folder.labels_of(loaded.scan.scan_id)] == ["a.nii"]
        task = next_task(iter(folder))
        assert task.label == "deep/b.nii"
        folder.refused(task.load().scan.scan_id, "erased", for_good=True)
        assert len(skipped) == 1
    with capture_logs() as lines, watching(root):
        pass
    (line,) = lines
    assert (line["files_sent"], line["files_skipped"], line["files_refused"]) == (1, 1, 1)


def test_what_earlier_runs_know_is_accounted_for_and_so_is_what_is_to_be_sent(
    root: Path, save: Save, reader: Reader
) -> None:
    (root / "notes.txt").write_text("text")
    save("a.nii")
    (root / "copy.nii").write_bytes((root / "a.nii").read_bytes())
    save("erased.nii", OTHER)
    found: list[Origin] = []
    folder = watched(root, reader=reader)
    folder.start(lambda _: None, found.append)
    tasks = iter(folder)
    ids = {task.label: task.load().scan.scan_id for task in (next_task(tasks) for _ in range(3))}
    folder.stored([ids["a.nii"]])
    folder.refused(ids["erased.nii"], "refused: erased", for_good=True)
    folder.close()
    assert [one.file for one in found] == ["a.nii", "copy.nii", "erased.nii"]
    assert {one.folder for one in found} == {str(root)}
    with watching(root, reader=reader) as folder:
        assert isinstance(folder, AccountsForFiles)
        assert folder.path == str(root)
        known = {one.origins[0].file: (one.outcome, one.reason) for one in folder.accounts()}
    assert known == {
        "a.nii": (FileOutcome.WAITING, SENT_EARLIER),
        "copy.nii": (FileOutcome.COPY, "the same image as a.nii"),
        "erased.nii": (FileOutcome.REFUSED, "refused: erased"),
        "notes.txt": (FileOutcome.SKIPPED, "text file"),
    }


def test_a_long_queue_costs_no_more_for_each_task(
    root: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counting(deque[Any]):
        looked_at = 0

        def __iter__(self) -> Iterator[Any]:
            for one in super().__iter__():
                Counting.looked_at += 1
                yield one

    folder = watched(root, reader=reader)
    tasks = [FailedTask(f"{n}", SourceError("it is cut")) for n in range(1000)]
    monkeypatch.setattr(
        folder, "_tasks", Counting(WatchedTask(task, (), folder._under_way) for task in tasks)
    )
    assert [next_task(iter(folder)).label for _ in range(100)] == [f"{n}" for n in range(100)]
    assert Counting.looked_at <= 100 * (watched_source._AHEAD + 1)
    folder.close()


def test_a_relative_path_and_a_link_are_watched_too(
    root: Path, save: Save, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.parent / "link").symlink_to(root, target_is_directory=True)
    monkeypatch.chdir(root.parent)
    save("a.nii")
    with watching(Path("link"), reader=reader) as folder:
        tasks = iter(folder)
        assert next_task(tasks).label == "a.nii"
        save("b.nii", OTHER)
        assert next_task(tasks).label == "b.nii"


def test_a_folder_that_cannot_be_read_is_told_once_and_tried_again(
    root: Path, save: Save, reader: Reader
) -> None:
    folder = watched(root, reader=reader)
    away = root.rename(root.parent / "away")
    with capture_logs() as lines:
        for _ in range(2):
            folder._round(None, time.monotonic())
    assert [line["event"] for line in lines] == ["SOURCE cannot be read, retrying"]
    away.rename(root)
    save("a.nii")
    folder._round(None, 0)
    folder._round(set(), 10)
    folder._round(set(), 20)
    assert next_task(iter(folder)).label == "a.nii"
    folder.close()


def test_what_is_no_folder_is_refused(root: Path, save: Save) -> None:
    with pytest.raises(SettingsError, match="WATCH needs a folder, and SOURCE is a file"):
        watched(save("a.nii"))
    with pytest.raises(SourceError, match="is not a folder"):
        watched(root / "absent")


def test_an_error_of_its_thread_reaches_whoever_takes_scans(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Collector, "rescan", lambda *_: 1 / 0)
    with watching(root) as folder, pytest.raises(ZeroDivisionError):
        next_task(iter(folder))


def test_network_folders_are_polled_and_get_more_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_source, "remote_kind", lambda _: "nfs4")
    for given, quiet, poll in (
        ({"quiet_s": None}, watched_source.REMOTE_QUIET_S, FALLBACK_POLL_S),
        ({"quiet_s": 3.0, "poll_s": 7.0}, 3.0, 7.0),
    ):
        folder = watched(root, **given)
        assert (folder._quiet_s, folder._changes.poll_s) == (quiet, poll)
        folder.close()
