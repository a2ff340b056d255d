"""``index.csv`` is always whole, and nothing in it is lost."""

from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.errors import SettingsError
from common.runtime.logger import get_log
from fr_pacs.report_folder import ReportFolder
from fr_pacs.sources.base import Origin
from tests.factories import together
from tests.fr_pacs.report_folders import ONE, TWO, about, names, opened, origin, report, rows, write


def _these(origins: list[Origin], _scan_id: str) -> list[Origin]:
    return origins


def test_remarks_in_further_columns_stay(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), origin("a.nii"))
    table = (tmp_path / "index.csv").read_text().splitlines()
    more = (f"{line},{text}\r\n" for line, text in zip(table, ("mine", "good"), strict=True))
    (tmp_path / "index.csv").write_text("\ufeff" + "".join(more))
    write(tmp_path, report(TWO), origin("b.nii"))
    write(tmp_path, report(ONE, revision=2), origin("a.nii"))
    assert about(tmp_path, "file", "revision", "mine") == [
        ("a.nii", "2", "good"),
        ("b.nii", "1", ""),
    ]


@pytest.mark.parametrize("text", ["name,age\nx,1\n", "\x00\x01", '"' + "x" * 200_000])
def test_another_table_of_this_name_is_refused_and_left(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(SettingsError, match=r"index\.csv: it is not an index of reports"):
        ReportFolder(tmp_path, get_log())
    assert (tmp_path / "index.csv").read_text() == text


def test_a_table_that_becomes_unreadable_is_told_once_and_the_reports_are_kept(
    tmp_path: Path,
) -> None:
    with capture_logs() as logs, opened(tmp_path) as reports:
        (tmp_path / "index.csv").write_text("name,age\n")
        reports.write(report(ONE), None, lambda _: [origin("a.nii")])
        reports.write(report(TWO), None, lambda _: [origin("b.nii")])
    [line] = logs
    assert line["event"] == "the index of the reports cannot be written"
    assert "move it elsewhere" in line["reason"]
    assert f"b__{TWO}.json" in names(tmp_path)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".index.csv.0123456789abcdef").write_text("half a tab")
    write(tmp_path, report(), origin("a.nii"))
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_several_fr_pacs_share_a_folder(tmp_path: Path) -> None:
    def run(number: int) -> None:
        for n in range(5):
            write(tmp_path, report(f"{number}{n:031}"), origin(f"{number}-{n}.nii"))

    together(3, run)
    files = [file for (file,) in about(tmp_path, "file")]
    assert sorted(files) == [f"{number}-{n}.nii" for number in range(3) for n in range(5)]


def test_readers_see_a_whole_table_at_any_time(tmp_path: Path) -> None:
    with opened(tmp_path) as reports:
        for n in range(300):
            files = [origin(f"{n}.nii")]
            reports.write(report(f"{n:032}"), None, partial(_these, files))
            if (tmp_path / "index.csv").exists():
                text = (tmp_path / "index.csv").read_text()
                assert text.endswith("\n")
                assert len({line.count(",") for line in text.splitlines()}) == 1
    assert len(rows(tmp_path)) == 300
