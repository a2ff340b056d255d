"""JSON, text and picture side by side; of a later revision in place of those before."""

import errno
import json
import os
from pathlib import Path

import pytest

from common.domain.report import BrainReport
from common.domain.report_text import report_text
from common.runtime.files import write_whole
from fr_pacs import report_files
from fr_pacs.report_files import write_report
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
