"""Tasks out of what a reader finds, for folders that are read once and those that are watched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import SourceError
from common.formats.dicom.series import group_series
from common.formats.dicom.slices import Slice
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.reader import ArchiveFound, Reader
from common.scan_files.file_names import FileNames
from common.scan_files.file_tasks import FailedTask
from common.scan_files.image_files import ImageFiles, ReadOptions, Unread, UnreadFiles, read_ahead
from common.settings.identity_keys import IdentityKeys
from fr_pacs.sources.base import ScanTask
from tests.common.formats.dicom.dicom_files import slices_of, writer

OPTIONS = ReadOptions("site-a", IdentityKeys(bytes(32), bytes(32)))


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader(processes=1)
    yield reader
    reader.close()


@pytest.fixture
def files(tmp_path: Path, reader: Reader) -> ImageFiles:
    return ImageFiles(tmp_path, OPTIONS, FileNames(), reader)


def test_each_thing_that_is_found_has_its_outcome(files: ImageFiles, tmp_path: Path) -> None:
    path = tmp_path / "x" / "a"
    assert list(files.usable(path, "x/a", NotAScan("waveform"))) == []
    assert files.skipped.by_folder == {("x", "waveform"): 1}
    assert list(files.usable(path, "x/a", UnreadKind("NRRD"))) == [Unread(path, "NRRD", "x/a")]
    (failed,) = files.usable(path, "x/a", SourceError("cut"))
    assert isinstance(failed, FailedTask)
    assert list(files.usable(path, "x/a", ArchiveFound([("b/c.nii", 1), ("d.txt", 2)]))) == []
    assert files.take_members() == [(path / "0", "x/a/b/c.nii")]
    assert files.take_members() == []
    assert files.skipped.counts == {"waveform": 1, "text": 1}


def stacked(files: ImageFiles, slices: list[Slice]) -> list[tuple[set[str], str | None]]:
    (group,) = group_series(slices)
    return [
        ({path.name for path in paths}, None if task is None else task.label)
        for paths, task in files.stacked(group)
    ]


def test_each_file_of_a_series_has_the_outcome_of_its_volume(
    files: ImageFiles, tmp_path: Path
) -> None:
    write = writer(tmp_path)
    good = [plane for k in range(1, 7) for plane in slices_of(write(k))]
    stray = slices_of(write(9, Rows=2, PixelData=bytes(16)))
    assert stacked(files, [*good, *stray]) == [
        ({plane.path.name for plane in good}, f"{good[0].label} (series of 6 slices)"),
        ({"009.dcm"}, None),
    ]
    uneven = [*good[:2], *good[3:]]
    ((paths, label),) = stacked(files, uneven)
    assert paths == {plane.path.name for plane in uneven}
    assert label is not None


def test_files_of_an_unread_kind_are_one_task_for_each_folder_and_kind(files: ImageFiles) -> None:
    unread = UnreadFiles(files)
    found = [
        Unread(Path(path), reason, path)
        for path, reason in (("x/1", "NRRD"), ("x/2", "NRRD"), ("x/3", "MINC"), ("y/4", "NRRD"))
    ]
    assert [unread.add(one) for one in found] == [True, False, True, True]
    labels = ["x/1 and 1 more", "x/3", "y/4"]
    assert [task.label for _, task in unread.tasks()] == labels
    assert [len(alike) for alike, _ in unread.tasks()] == [2, 1, 1]
    task = unread.task(found[1])
    assert task.label == labels[0]
    assert [origin.file for origin in task.origins] == ["x/1", "x/2"]


def test_only_tasks_that_read_files_are_read_ahead() -> None:
    tasks: list[ScanTask] = [FailedTask("a", SourceError("cut"))]
    read_ahead(tasks)
    with pytest.raises(SourceError, match="cut"):
        tasks[0].load()
