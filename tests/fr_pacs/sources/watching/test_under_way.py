"""Files are noted with their outcome when all that comes of them is known."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from common.domain.file_outcomes import FileOutcome
from common.errors import SourceError
from fr_pacs.sources.base import Account, LoadedScan, Origin, Withdrawn
from fr_pacs.sources.watching import under_way as module
from fr_pacs.sources.watching.open_files import state_of
from fr_pacs.sources.watching.sent_index import Outcome, SentIndex
from fr_pacs.sources.watching.under_way import FilesUnderWay, FileUnderWay, WatchedTask
from tests.factories import make_scan


class Task:
    """A task that gives this scan, or fails."""

    label = "label"

    def __init__(self, loaded: LoadedScan | None = None) -> None:
        self.loaded = loaded

    def load(self) -> LoadedScan:
        """Load it."""
        if self.loaded is None:
            raise SourceError("it is cut")
        return self.loaded


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SentIndex]:
    index = SentIndex(tmp_path / "index", tmp_path)
    yield index
    index.close()


@pytest.fixture
def under_way(index: SentIndex) -> FilesUnderWay:
    return FilesUnderWay(index, lambda label: f"name of {label}")


def begun(under_way: FilesUnderWay, folder: Path, name: str = "a") -> FileUnderWay:
    """A file that was read."""
    path = folder / name
    path.write_bytes(b"123")
    state = state_of(path)
    assert state is not None
    return under_way.begin(path, state[:2], "series")


def a_scan(volume: str = "") -> LoadedScan:
    scan, voxels = make_scan()
    return LoadedScan(scan, voxels, origin=Origin("a", volume))


def outcome(index: SentIndex, file: FileUnderWay) -> Outcome | None:
    found = index.get(file.path)
    return None if found is None else found.outcome


def test_a_file_is_noted_when_the_last_of_its_scans_is_stored(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    file = begun(under_way, tmp_path)
    scans = [a_scan("volume 1"), a_scan("volume 2")]
    for scan in scans:
        WatchedTask(Task(scan), [file], under_way).load()
    under_way.release([file])
    ids = [scan.scan.scan_id for scan in scans]
    under_way.stored(ids[:1])
    assert outcome(index, file) is None
    assert under_way.of_series("series") == [file]
    under_way.stored(["another", *ids])
    found = index.get(file.path)
    assert found is not None
    assert (found.outcome, found.series, found.scan_ids) == (Outcome.SENT, "series", tuple(ids))
    assert index.labels_of(ids[0]) == [("name of label", Origin("a", "volume 1"))]
    assert under_way.of_series("series") == []


@pytest.mark.parametrize("for_good", [True, False])
def test_a_refused_scan_is_noted(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path, for_good: bool
) -> None:
    file = begun(under_way, tmp_path)
    WatchedTask(Task(scan := a_scan()), [file], under_way).load()
    under_way.release([file])
    under_way.refused(scan.scan.scan_id, "erased", for_good=for_good)
    assert outcome(index, file) is (Outcome.REFUSED if for_good else Outcome.FAILED)
    found = index.get(file.path)
    assert found is not None
    told = Account(FileOutcome.REFUSED, "erased", (Origin("a"),), scan.scan.scan_id)
    assert found.told == (told,)


def test_a_task_that_fails_is_noted_for_all_its_files(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    files = [begun(under_way, tmp_path, name) for name in "ab"]
    task = WatchedTask(Task(), files, under_way)
    under_way.release(files)
    with pytest.raises(SourceError, match="it is cut"):
        task.load()
    assert [outcome(index, file) for file in files] == [Outcome.FAILED] * 2


def test_a_task_whose_file_changed_is_withdrawn_and_all_its_files_are_read_again(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    files = [begun(under_way, tmp_path, name) for name in "ab"]
    task = WatchedTask(Task(), files, under_way)
    under_way.release(files)
    files[1].path.write_bytes(b"1234")
    with pytest.raises(Withdrawn):
        task.load()
    assert under_way.take_withdrawn() == {file.path for file in files}
    assert under_way.take_withdrawn() == set()
    assert [outcome(index, file) for file in files] == [None, None]


def test_what_was_removed_is_not_noted(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    file = begun(under_way, tmp_path)
    task = WatchedTask(Task(), [file], under_way)
    under_way.release([file])
    file.path.unlink()
    with pytest.raises(SourceError, match="removed before it was sent"):
        task.load()
    assert outcome(index, file) is None
    assert under_way.get(file.path) is None


def test_what_comes_of_an_earlier_state_of_a_file_does_not_count(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    before = begun(under_way, tmp_path)
    WatchedTask(Task(scan := a_scan()), [before], under_way).load()
    under_way.release([before])
    now = begun(under_way, tmp_path)
    under_way.stored([scan.scan.scan_id])
    assert outcome(index, now) is None
    under_way.release([now], Outcome.SKIPPED)
    assert outcome(index, now) is Outcome.SKIPPED


def test_a_copy_of_a_scan_that_this_run_has_stored_needs_no_answer(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    """It is not sent."""
    scan = a_scan()
    for name in "ab":
        file = begun(under_way, tmp_path, name)
        WatchedTask(Task(scan), [file], under_way).load()
        under_way.release([file])
        if name == "a":
            assert outcome(index, file) is None
            under_way.stored([scan.scan.scan_id])
        assert outcome(index, file) is Outcome.SENT


def test_a_scan_that_an_earlier_run_has_stored_needs_an_answer_of_this_run(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    """It is sent again, and may have been erased meanwhile."""
    scan = a_scan()
    assert scan.origin is not None
    index.add_scans([(scan.scan.scan_id, "label", scan.origin)])
    file = begun(under_way, tmp_path, "renamed")
    WatchedTask(Task(scan), [file], under_way).load()
    under_way.release([file])
    assert outcome(index, file) is None
    under_way.refused(scan.scan.scan_id, "erased", for_good=True)
    assert outcome(index, file) is Outcome.REFUSED


def test_a_copy_that_is_loaded_while_the_answer_is_noted_is_not_forgotten(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = a_scan()
    first, copy = (begun(under_way, tmp_path, name) for name in "ab")
    task = WatchedTask(Task(scan), [copy], under_way)
    WatchedTask(Task(scan), [first], under_way).load()
    under_way.release([first, copy])
    add_scans = index.add_scans

    def in_between(scans: Iterable[tuple[str, str, Origin]]) -> None:
        if copy.holds and not loaded:
            loaded.append(True)
            task.load()
        add_scans(scans)

    loaded: list[bool] = []
    monkeypatch.setattr(index, "add_scans", in_between)
    under_way.stored([scan.scan.scan_id])
    assert loaded
    assert [outcome(index, file) for file in (first, copy)] == [Outcome.SENT] * 2


def test_an_image_that_is_stored_after_its_file_was_written_anew_is_not_in_it(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    scans = [a_scan(), a_scan()]
    for scan in scans:
        file = begun(under_way, tmp_path)
        WatchedTask(Task(scan), [file], under_way).load()
        under_way.release([file])
    first, second = (scan.scan.scan_id for scan in scans)
    under_way.stored([second])
    under_way.stored([first])
    assert (index.labels_of(first), len(index.labels_of(second))) == ([], 1)


def test_an_image_whose_file_was_removed_before_it_is_stored_keeps_its_label(
    under_way: FilesUnderWay, index: SentIndex, tmp_path: Path
) -> None:
    file, scan = begun(under_way, tmp_path), a_scan()
    WatchedTask(Task(scan), [file], under_way).load()
    under_way.drop(file.path)
    under_way.stored([scan.scan.scan_id])
    assert len(index.labels_of(scan.scan.scan_id)) == 1


def test_memory_of_stored_scans_is_bounded(
    under_way: FilesUnderWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWERED_KEPT", 2)
    under_way.stored(["a", "b", "c"])
    assert list(under_way._answered) == ["b", "c"]
