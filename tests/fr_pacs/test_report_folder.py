"""REPORTS: files named after their input, and rows that say which report is about which file."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.domain.file_outcomes import FileOutcome
from common.errors import VoxelsDamaged
from common.runtime.logger import get_log
from fr_pacs.report_files import write_report
from fr_pacs.report_folder import ReportFolder
from fr_pacs.sources.base import Account, account_of_copy
from tests.fr_pacs.report_folders import (
    ONE,
    TWO,
    about,
    account,
    begin,
    names,
    opened,
    origin,
    report,
    rows,
    waiting,
    write,
)


def test_the_files_are_named_after_the_input_and_the_row_names_both(tmp_path: Path) -> None:
    write(tmp_path, report(), origin("sub-01/head.nii.gz"), picture=b"a picture")
    name = f"sub-01_head__{ONE}"
    assert names(tmp_path) == {f"{name}.json", f"{name}.txt", f"{name}.png", "index.csv"}
    [row] = rows(tmp_path)
    assert (row["file"], row["volume"], row["folder"]) == ("sub-01/head.nii.gz", "", "/data")
    assert (row["scan_id"], row["report"], row["verdict"]) == (ONE, name, "pass")
    assert json.loads((tmp_path / f"{name}.json").read_text())["scan_id"] == ONE


def test_two_files_of_one_image_are_two_rows_about_one_report(tmp_path: Path) -> None:
    write(tmp_path, report(), origin("a.nii"), origin("b.nii"))
    assert about(tmp_path, "file", "scan_id", "report", "outcome") == [
        ("a.nii", ONE, f"a__{ONE}", "reported"),
        ("b.nii", ONE, f"a__{ONE}", "copy"),
    ]


def test_a_copy_found_after_the_report_gets_its_row(tmp_path: Path) -> None:
    first = origin("a.nii")
    with opened(tmp_path) as reports:
        reports.account(account_of_copy(origin("early.nii"), first, ONE))
        reports.write(report(), None, lambda _: [first, origin("early.nii")])
        reports.account(account_of_copy(origin("late.nii"), first, ONE))
    assert about(tmp_path, "file", "scan_id", "report", "outcome", "reason") == [
        ("early.nii", ONE, f"a__{ONE}", "copy", "the same image as a.nii"),
        ("a.nii", ONE, f"a__{ONE}", "reported", ""),
        ("late.nii", ONE, f"a__{ONE}", "copy", "the same image as a.nii"),
    ]


def test_a_report_is_read_once_for_all_copies_of_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, report(), origin("a.nii"))
    read: list[Path] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        read.append(path)
        return read_bytes(path)

    with opened(tmp_path) as reports:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_bytes", counted)
            for n in range(9):
                reports.account(account_of_copy(origin(f"{n}.nii"), origin("a.nii"), ONE))
            reports.account(account_of_copy(origin("1.dcm"), origin("2.dcm")))  # a slice
        reports.write(report(revision=2))
        reports.account(account_of_copy(origin("9.nii"), origin("a.nii"), ONE))
    assert read == [tmp_path / f"a__{ONE}.json"]
    told = about(tmp_path, "file", "revision")
    assert told == [
        ("a.nii", "2"),
        *((f"{n}.nii", "2") for n in range(9)),
        ("1.dcm", ""),
        ("9.nii", "2"),
    ]


def test_each_volume_of_a_file_has_a_row(tmp_path: Path) -> None:
    with opened(tmp_path) as reports:
        reports.write(report(ONE), None, lambda _: [origin("a.nii", "volume 1")])
        reports.write(report(TWO), None, lambda _: [origin("a.nii", "volume 2")])
    assert about(tmp_path, "file", "volume", "scan_id") == [
        ("a.nii", "volume 1", ONE),
        ("a.nii", "volume 2", TWO),
    ]


def test_rows_of_earlier_runs_stay_and_those_of_the_same_file_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), origin("a.nii"), origin("b.nii"))
    write(tmp_path, report(TWO), origin("b.nii"), origin("c.nii"))  # b.nii is another image now
    assert about(tmp_path, "file", "scan_id") == [("a.nii", ONE), ("b.nii", TWO), ("c.nii", TWO)]


def test_files_of_one_name_in_two_folders_do_not_share_a_row(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), origin("a.nii", folder="/one"))
    write(tmp_path, report(TWO), origin("a.nii", folder="/two"))
    assert about(tmp_path, "folder", "scan_id") == [("/one", ONE), ("/two", TWO)]


def test_a_later_revision_replaces_all_rows_of_its_scan_and_keeps_their_files(
    tmp_path: Path,
) -> None:
    write(tmp_path, report(), origin("a.nii"), origin("b.nii"), picture=b"first")
    assert write(tmp_path, report(revision=2))  # in a run that does not know the files
    assert about(tmp_path, "file", "revision", "report") == [
        ("a.nii", "2", f"a__{ONE}"),
        ("b.nii", "2", f"a__{ONE}"),
    ]
    assert names(tmp_path) == {f"a__{ONE}.json", f"a__{ONE}.txt", "index.csv"}
    assert not write(tmp_path, report(revision=1), origin("c.nii"))
    assert about(tmp_path, "file", "revision")[2:] == [("c.nii", "2")]


def test_a_report_of_an_unknown_file_has_a_row_until_its_file_is_known(tmp_path: Path) -> None:
    write(tmp_path, report(ONE))
    write(tmp_path, report(TWO))
    assert about(tmp_path, "file", "scan_id", "report") == [("", ONE, ONE), ("", TWO, TWO)]
    write(tmp_path, report(ONE), origin("a.nii"))
    assert about(tmp_path, "file", "scan_id", "report") == [("", TWO, TWO), ("a.nii", ONE, ONE)]


def test_a_report_that_comes_before_its_file_is_found_again_is_named_after_it(
    tmp_path: Path,
) -> None:
    """Of a run that was killed, to which Fr-HUB sends what it has at once."""
    with opened(tmp_path) as reports:
        reports.account(account_of_copy(origin("copy.nii"), origin("=sub/a.nii"), ONE))
        waiting = FileOutcome.WAITING
        reports.account(Account(waiting, "no report yet", (origin("=sub/a.nii", "volume 1"),), ONE))
    write(tmp_path, report(ONE))
    write(tmp_path, report(ONE, revision=2))
    assert about(tmp_path, "file", "outcome", "report") == [
        ("copy.nii", "copy", f"sub_a_volume_1__{ONE}"),
        ("./=sub/a.nii", "reported", f"sub_a_volume_1__{ONE}"),
    ]
    assert f"sub_a_volume_1__{ONE}.json" in names(tmp_path)
    with closing(ReportFolder(tmp_path, get_log(), "pacs-2")) as reports:
        assert reports._index.take_origin(ONE) is None


def test_a_report_whose_row_a_kill_prevented_gets_it_at_the_next_start(tmp_path: Path) -> None:
    files = (replace(origin("a.nii"), files=12), origin("b.nii"))
    with opened(tmp_path) as reports:
        for one, scan_id in zip(files, (ONE, TWO), strict=True):
            reports.account(Account(FileOutcome.WAITING, "no report yet", (one,), scan_id))
    write_report(tmp_path, report(), None, f"a__{ONE}")
    with opened(tmp_path):
        pass
    assert about(tmp_path, "file", "outcome", "report", "files") == [
        ("a.nii", "reported", f"a__{ONE}", "12"),
        ("b.nii", "waiting", "", "1"),
    ]


def test_a_report_that_came_before_its_row_named_a_scan_gets_it_once_the_scan_is_known_again(
    tmp_path: Path,
) -> None:
    begin(tmp_path, waiting("a.nii"), waiting("c.nii"))
    before = (tmp_path / "index.csv").read_text()
    write(tmp_path, report(ONE), origin("a.nii"))
    (tmp_path / "index.csv").write_text(before)  # as a kill leaves it
    # A watched folder knows its scans again, and their reports do not come again.
    copied = account(FileOutcome.COPY, "the same image as a.nii", "b.nii", scan_id=ONE)
    begin(tmp_path, waiting("a.nii", ONE), copied, waiting("c.nii", TWO))
    assert about(tmp_path, "file", "outcome", "report") == [
        ("a.nii", "reported", f"a__{ONE}"),
        ("c.nii", "waiting", ""),
        ("b.nii", "copy", f"a__{ONE}"),
    ]


def test_a_file_of_another_fr_pacs_names_no_report(tmp_path: Path) -> None:
    with closing(ReportFolder(tmp_path, get_log(), "pacs-2")) as reports:
        reports.account(Account(FileOutcome.WAITING, "no report yet", (origin("a.nii"),), ONE))
    write(tmp_path, report(ONE))
    assert f"{ONE}.json" in names(tmp_path)


def test_reports_that_an_earlier_release_named_after_their_ids_keep_these_names(
    tmp_path: Path,
) -> None:
    (tmp_path / f"{ONE}.json").write_text(report().model_dump_json())
    write(tmp_path, report(revision=2), origin("a.nii"))
    assert names(tmp_path) == {f"{ONE}.json", f"{ONE}.txt", "index.csv"}
    assert json.loads((tmp_path / f"{ONE}.json").read_text())["revision"] == 2
    assert about(tmp_path, "file", "report") == [("a.nii", ONE)]


def test_a_renamed_file_has_a_row_of_its_own_about_the_same_report(tmp_path: Path) -> None:
    write(tmp_path, report(), origin("before.nii"))
    write(tmp_path, report(), origin("after.nii"))
    assert about(tmp_path, "file", "report") == [
        ("before.nii", f"before__{ONE}"),
        ("after.nii", f"before__{ONE}"),
    ]
    assert len(names(tmp_path)) == 3


def test_a_long_or_strange_name_is_whole_in_the_index_and_safe_as_a_file(tmp_path: Path) -> None:
    file = "/".join(["längst" * 20] * 8) + '/"a", b;=c.nii'
    write(tmp_path, report(), origin(file))
    [row] = rows(tmp_path)
    assert row["file"] == file
    assert (tmp_path / f"{row['report']}.json").is_file()


# --- label maps ----------------------------------------------------------------------------------


def damaged() -> Iterator[bytes]:
    yield b"a piece"
    raise VoxelsDamaged("the bit planes of a label map do not fit the scan")


def test_label_maps_have_the_name_of_the_report_and_the_index_is_as_without(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as reports:
        reports.write(report(), None, lambda _: [origin("a.nii")], {"lesions": [b"a map"]})
    assert names(tmp_path) == {
        f"a__{ONE}.json",
        f"a__{ONE}.txt",
        f"a__{ONE}.lesions.nii.gz",
        "index.csv",
    }
    [row] = rows(tmp_path)
    assert row["report"] == f"a__{ONE}"


def test_a_later_revision_in_another_run_removes_the_label_maps_that_it_lacks(
    tmp_path: Path,
) -> None:
    """Also in a run that wants none: they would contradict the report beside them."""
    maps = {"lesions": [b"one"], "brain": [b"two"]}
    for scan_id in (ONE, TWO):
        with opened(tmp_path) as reports:
            reports.write(report(scan_id), None, lambda _: [origin("a.nii")], maps)
    with opened(tmp_path) as reports:
        reports.write(report(revision=2), maps={"lesions": [b"new"]})
    assert names(tmp_path) >= {f"a__{ONE}.lesions.nii.gz", f"a__{TWO}.brain.nii.gz"}
    assert f"a__{ONE}.brain.nii.gz" not in names(tmp_path)
    assert write(tmp_path, report(revision=3))
    assert {name for name in names(tmp_path) if ONE in name} == {f"a__{ONE}.json", f"a__{ONE}.txt"}
    assert sum(TWO in name for name in names(tmp_path)) == 4


def test_label_maps_that_cannot_be_made_are_left_out_and_may_come_later(tmp_path: Path) -> None:
    with opened(tmp_path) as reports:
        with capture_logs() as logs:
            assert reports.write(report(), maps={"lesions": damaged(), "brain": [b"two"]})
        assert names(tmp_path) >= {f"{ONE}.json", f"{ONE}.txt"}
        assert not any(name.endswith(".nii.gz") for name in names(tmp_path))
        assert reports.write(report(), maps={"lesions": [b"one"]})
    [warning] = [log for log in logs if log["event"] == "label maps left out"]
    assert (warning["scan_id"], "bit planes" in warning["reason"]) == (ONE, True)
    assert (tmp_path / f"{ONE}.lesions.nii.gz").read_bytes() == b"one"


def test_images_of_others_beside_the_reports_are_left_alone(tmp_path: Path) -> None:
    for name in ("a.brain.nii.gz", f"{TWO}.brain.nii.gz", f"{ONE}.x.brain.nii.gz"):
        (tmp_path / name).write_bytes(b"an image")
    for revision in (1, 2):
        write(tmp_path, report(revision=revision))
    assert len(names(tmp_path)) == 3 + 3
