"""JSON, text and picture side by side; of a later revision in place of those before."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.domain.report import BrainReport
from common.domain.report_text import report_text
from common.errors import VoxelsDamaged
from common.runtime.files import write_whole
from fr_pacs import report_files
from fr_pacs.report_files import Maps, write_report
from tests.factories import make_report, make_scan

SCAN, _ = make_scan()


def report(revision: int = 1, **fields: float) -> BrainReport:
    return make_report(SCAN, revision=revision, **fields)


def kept(folder: Path, end: str) -> Path:
    return folder / f"{SCAN.scan_id}.{end}"


def test_json_text_and_picture_are_side_by_side_and_nothing_else(tmp_path: Path) -> None:
    write_report(tmp_path, report(), b"a picture")
    assert BrainReport.model_validate_json(kept(tmp_path, "json").read_text()).revision == 1
    assert kept(tmp_path, "txt").read_text() == report_text(
        BrainReport.model_validate_json(kept(tmp_path, "json").read_text())
    )
    assert kept(tmp_path, "png").read_bytes() == b"a picture"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_later_revision_takes_the_place_and_an_earlier_one_does_not(tmp_path: Path) -> None:
    assert write_report(tmp_path, report(1), b"first")
    assert write_report(tmp_path, report(3), b"third")
    assert not write_report(tmp_path, report(2), b"second")
    assert write_report(tmp_path, report(3), b"again")
    assert json.loads(kept(tmp_path, "json").read_text())["revision"] == 3
    assert "(revision 3)" in kept(tmp_path, "txt").read_text()
    assert kept(tmp_path, "png").read_bytes() == b"third"
    assert len(list(tmp_path.iterdir())) == 3


def test_of_the_same_revision_the_first_one_stays(tmp_path: Path) -> None:
    for run_time in (1.0, 2.0):
        write_report(tmp_path, report(2, run_time_ms=run_time), b"%d" % run_time)
    assert json.loads(kept(tmp_path, "json").read_text())["run_time_ms"] == 1.0
    assert kept(tmp_path, "png").read_bytes() == b"1"


def test_a_picture_of_an_earlier_revision_does_not_stay_beside_a_report_without_one(
    tmp_path: Path,
) -> None:
    write_report(tmp_path, report(1), b"first")
    write_report(tmp_path, report(2))
    assert not kept(tmp_path, "png").exists()


def test_what_was_cut_before_the_json_is_completed(tmp_path: Path) -> None:
    kept(tmp_path, "txt").write_text("of the write that was cut")
    write_report(tmp_path, report())
    assert kept(tmp_path, "json").exists()


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    kept(tmp_path, "json").write_text('{"revision": ')
    write_report(tmp_path, report())
    assert json.loads(kept(tmp_path, "json").read_text())["revision"] == 1


def test_a_report_that_cannot_be_written_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_full(target: Path, content: bytes, **options: bool) -> None:
        if target.suffix == ".json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_whole(target, content, **options)

    with monkeypatch.context() as disk:
        disk.setattr(report_files, "write_whole", until_full)
        with pytest.raises(OSError, match="No space left"):
            write_report(tmp_path, report(), b"a picture")
        assert list(tmp_path.iterdir()) == []
    write_report(tmp_path, report(), b"a picture")
    assert len(list(tmp_path.iterdir())) == 3


# --- label maps ----------------------------------------------------------------------------------


def names(folder: Path) -> set[str]:
    return {path.name.removeprefix(f"{SCAN.scan_id}.") for path in folder.iterdir()}


def maps(**contents: bytes) -> dict[str, list[bytes]]:
    """Label maps, each in two pieces."""
    return {name: [content[:1], content[1:]] for name, content in contents.items()}


def test_label_maps_are_beside_the_report(tmp_path: Path) -> None:
    write_report(tmp_path, report(), b"a picture", None, maps(lesions=b"one", brain=b"two"))
    assert names(tmp_path) == {"json", "txt", "png", "lesions.nii.gz", "brain.nii.gz"}
    assert kept(tmp_path, "lesions.nii.gz").read_bytes() == b"one"
    assert kept(tmp_path, "brain.nii.gz").stat().st_mode == kept(tmp_path, "txt").stat().st_mode


def test_a_later_revision_replaces_its_label_maps_and_removes_the_others(tmp_path: Path) -> None:
    write_report(tmp_path, report(1), None, None, maps(lesions=b"one", brain=b"two"))
    there = {"lesions", "brain"}
    write_report(tmp_path, report(2), None, None, maps(lesions=b"new"), there)
    assert names(tmp_path) == {"json", "txt", "lesions.nii.gz"}
    assert kept(tmp_path, "lesions.nii.gz").read_bytes() == b"new"
    write_report(tmp_path, report(3), existing_maps={"lesions"})
    assert names(tmp_path) == {"json", "txt"}


def test_label_maps_that_come_later_are_added_to_the_same_revision_and_no_other(
    tmp_path: Path,
) -> None:
    write_report(tmp_path, report(2))
    assert not write_report(tmp_path, report(1), None, None, maps(lesions=b"of the first"))
    assert names(tmp_path) == {"json", "txt"}
    assert write_report(tmp_path, report(2), None, None, maps(lesions=b"one"))
    assert write_report(tmp_path, report(2), None, None, maps(lesions=b"again"), {"lesions"})
    assert kept(tmp_path, "lesions.nii.gz").read_bytes() == b"one"


class NoSpace:
    """The pieces of a file for which the disk has no room."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __iter__(self) -> Iterator[bytes]:
        yield b"a piece"
        raise self._error


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "replacing"])
@pytest.mark.parametrize("error", [None, VoxelsDamaged("damaged")], ids=["full", "damaged"])
def test_a_label_map_that_cannot_be_written_changes_nothing(
    tmp_path: Path, earlier: bool, error: Exception | None
) -> None:
    before = maps(lesions=b"one", brain=b"two")
    if earlier:
        write_report(tmp_path, report(1), b"a picture", None, before)
    contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
    planned: Maps = {"lesions": [b"new"], "brain": NoSpace(error)}
    with pytest.raises((OSError, VoxelsDamaged)):
        write_report(tmp_path, report(2), b"another", None, planned, before.keys())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_what_comes_after_the_label_maps_and_cannot_be_written_leaves_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(target: Path, content: bytes, **options: bool) -> None:
        if target.suffix == ".json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_whole(target, content, **options)

    monkeypatch.setattr(report_files, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path, report(), None, None, maps(lesions=b"one"))
    assert list(tmp_path.iterdir()) == []
