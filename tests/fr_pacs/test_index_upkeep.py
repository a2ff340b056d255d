"""Files that go, or hold another image than before: what their rows in ``index.csv`` say."""

from pathlib import Path

import pytest

from common.domain.file_outcomes import FileOutcome
from common.domain.report_index import about_file
from fr_pacs.index_upkeep import Doubled, can_tell, is_there
from fr_pacs.sources.base import Account, Origin, accounts_of
from tests.fr_pacs.report_folders import ONE, TWO, Folder, about, opened, report, rows

GONE = ("a.nii", "gone", ONE)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with the images ``a.nii`` and ``b.nii``."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a.nii", "b.nii"):
        (folder / name).touch()
    return folder


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """REPORTS."""
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


def sent(source: Path, reports: Path, **files: str) -> None:
    """A run of this source that gets the report of each scan, by the names of its files."""
    scans: dict[str, list[Origin]] = {}
    for name, scan_id in files.items():
        scans.setdefault(scan_id, []).append(Origin(f"{name}.nii", "", str(source)))
    origins = [one for found in scans.values() for one in found]
    found = [Account(FileOutcome.WAITING, "not sent yet", (one,)) for one in origins]
    with opened(reports) as folder:
        folder.begin(Folder(found, str(source)))
        for scan_id, these in scans.items():
            for one in accounts_of(these, FileOutcome.WAITING, "no report yet", scan_id):
                folder.account(one)
            folder.write(report(scan_id), None, lambda _, these=these: these)  # type: ignore[misc]


def said(reports: Path) -> list[tuple[str, ...]]:
    return about(reports, "file", "outcome", "scan_id")


def test_a_renamed_file_has_its_report_and_the_old_name_is_gone(
    source: Path, reports: Path
) -> None:
    sent(source, reports, a=ONE, b=TWO)
    (source / "a.nii").rename(source / "c.nii")
    sent(source, reports, b=TWO, c=ONE)
    assert said(reports) == [GONE, ("b.nii", "reported", TWO), ("c.nii", "reported", ONE)]
    assert "did not find the file" in rows(reports)[0]["reason"]
    assert rows(reports)[0]["report"] == rows(reports)[2]["report"]


def test_a_file_that_is_back_is_reported_again(source: Path, reports: Path) -> None:
    sent(source, reports, a=ONE, b=TWO)
    (source / "a.nii").rename(source / "c.nii")
    sent(source, reports, b=TWO)
    assert said(reports)[0] == GONE
    (source / "c.nii").rename(source / "a.nii")
    with opened(reports) as folder:  # its scan is known; the report does not come again
        folder.account(
            Account(FileOutcome.WAITING, "sent", (Origin("a.nii", "", str(source)),), ONE)
        )
    assert said(reports)[0] == ("a.nii", "reported", ONE)


def test_a_folder_that_is_empty_may_not_be_mounted_and_nothing_in_it_is_gone(
    source: Path, reports: Path
) -> None:
    sent(source, reports, a=ONE)
    for file in source.iterdir():
        file.unlink()
    sent(source, reports)
    assert said(reports) == [("a.nii", "reported", ONE)]
    assert not can_tell(str(source))
    assert not can_tell(str(source / "missing"))
    assert can_tell(str(reports))


def test_a_copy_takes_the_place_of_its_first_file_when_that_holds_another_image(
    source: Path, reports: Path
) -> None:
    for name in ("c.nii", "d.nii"):
        (source / name).touch()
    sent(source, reports, a=ONE, b=ONE, c=ONE)
    assert [row["outcome"] for row in rows(reports)] == ["reported", "copy", "copy"]
    sent(source, reports, a=TWO)
    assert said(reports) == [
        ("a.nii", "reported", TWO),
        ("b.nii", "reported", ONE),
        ("c.nii", "copy", ONE),
    ]
    assert rows(reports)[2]["reason"] == "the same image as b.nii"


def test_a_copy_takes_the_place_of_its_first_file_when_that_is_gone(
    source: Path, reports: Path
) -> None:
    sent(source, reports, a=ONE, b=ONE)
    (source / "a.nii").unlink()
    sent(source, reports)
    assert said(reports) == [GONE, ("b.nii", "reported", ONE)]


def test_a_report_whose_file_holds_another_image_has_a_row_without_a_file(
    source: Path, reports: Path
) -> None:
    sent(source, reports, a=ONE)
    sent(source, reports, a=TWO)
    assert said(reports) == [("a.nii", "reported", TWO), ("", "gone", ONE)]
    assert rows(reports)[1]["reason"].startswith("a.nii no longer contains the image")
    sent(source, reports, a=TWO, b=ONE)  # its image is there again
    assert said(reports) == [("a.nii", "reported", TWO), ("b.nii", "reported", ONE)]


def test_a_member_is_there_as_long_as_its_archive(source: Path) -> None:
    assert is_there(str(source / "a.nii" / "member.dcm"))
    assert not is_there(str(source / "c.zip" / "member.dcm"))


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    table = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.nii").touch()
        about_it = about_file("a.nii", "", str(tmp_path / name))
        told = {"outcome": "reported", "reason": "", "scan_id": ONE, "pacs": "p", "report": ONE}
        table.append({**about_it, **told})
    doubled = Doubled({(ONE, "p")})
    outcomes = [doubled.demoted(row)["outcome"] for row in table]
    assert outcomes == ["reported", "copy"]
    others = [Doubled(set()).demoted(row)["outcome"] for row in table]
    assert others == ["reported", "reported"]
