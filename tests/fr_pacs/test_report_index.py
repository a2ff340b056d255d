"""``index.csv`` is always whole, and nothing in it is lost."""

import csv
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.domain.file_outcomes import FileOutcome
from common.domain.report_index import COLUMNS
from common.errors import SettingsError
from common.runtime.logger import get_log
from fr_pacs.report_folder import ReportFolder
from fr_pacs.report_index import ReportIndex
from fr_pacs.sources.base import Account, Origin
from tests.factories import together
from tests.fr_pacs.report_folders import (
    ONE,
    TWO,
    Folder,
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
from tests.running import until


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


def test_an_unforeseen_error_does_not_end_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as logs, opened(tmp_path) as reports:
        with monkeypatch.context() as patched:
            patched.setattr(csv, "DictWriter", lambda *_, **__: dict[str, str]()["patient"])
            reports.account(account(FileOutcome.SKIPPED, "text", "a"))
            until(lambda: logs)
        reports.account(account(FileOutcome.SKIPPED, "text", "b"))
    assert [line["reason"] for line in logs] == ["KeyError"]
    assert about(tmp_path, "file") == [("a",), ("b",)]


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


# --- files without a report ----------------------------------------------------------------------

SKIPPED, REFUSED = FileOutcome.SKIPPED, FileOutcome.REFUSED


def outcomes(folder: Path) -> dict[str, tuple[str, str]]:
    return {row["file"]: (row["outcome"], row["reason"]) for row in rows(folder)}


def test_each_file_is_in_the_table_in_order_before_the_first_report(tmp_path: Path) -> None:
    begin(
        tmp_path,
        waiting("b.nii"),
        account(REFUSED, "it is cut", "d.nii"),
        account(SKIPPED, "sidecar", "a.json"),
        account(REFUSED, "incomplete", "c/1.dcm", "c/2.dcm"),
        account(SKIPPED, "stray", "b.nii"),  # a part of a file whose other part is sent
    )
    assert about(tmp_path, "file", "outcome", "reason", "pacs", "scan_id") == [
        ("a.json", "skipped", "sidecar", "pacs-1", ""),
        ("b.nii", "waiting", "not sent yet", "pacs-1", ""),
        ("c/1.dcm", "refused", "incomplete", "pacs-1", ""),
        ("c/2.dcm", "refused", "incomplete", "pacs-1", ""),
        ("d.nii", "refused", "it is cut", "pacs-1", ""),
    ]


def test_a_file_that_failed_before_and_is_reported_now_has_one_row(tmp_path: Path) -> None:
    begin(tmp_path, account(REFUSED, "it is cut", "a.nii"))
    with opened(tmp_path) as reports:
        reports.begin(Folder([waiting("a.nii")]))
        reports.account(waiting("a.nii", ONE))
        reports.account(account(FileOutcome.FAILED, "no brain", "a.nii", scan_id=ONE))
    assert about(tmp_path, "file", "outcome", "scan_id") == [("a.nii", "failed", ONE)]
    write(tmp_path, report(ONE))  # in a run that does not know the file: somebody requeued it
    assert about(tmp_path, "file", "outcome", "reason", "report") == [
        ("a.nii", "reported", "", f"a__{ONE}")
    ]


def test_a_failure_of_a_scan_of_an_earlier_run_is_in_the_row_of_its_file(tmp_path: Path) -> None:
    begin(tmp_path, waiting("a.nii", ONE))
    with opened(tmp_path) as reports:
        reports.account(account(FileOutcome.FAILED, "no brain", scan_id=ONE))
        reports.account(account(FileOutcome.FAILED, "no brain", scan_id=TWO))  # no known file
    assert about(tmp_path, "file", "outcome", "reason") == [("a.nii", "failed", "no brain")]


def test_what_is_no_news_takes_no_report_from_a_row(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), origin("a.nii"))
    write(tmp_path, report(TWO), origin("b.nii"))
    begin(tmp_path, waiting("a.nii"), account(SKIPPED, "diffusion volume: excluded", "b.nii"))
    begin(tmp_path, waiting("a.nii", ONE), account(REFUSED, "purged", "b.nii", scan_id=TWO))
    assert about(tmp_path, "file", "outcome", "reason", "report") == [
        ("a.nii", "reported", "", f"a__{ONE}"),
        ("b.nii", "reported", "", f"b__{TWO}"),
    ]


def test_an_erased_scan_is_told_beside_its_report_in_all_its_rows(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), origin("a.nii"))
    erased = account(FileOutcome.ERASED, "refused: it was erased", "b.nii", scan_id=ONE)
    with opened(tmp_path) as reports:
        reports.account(erased)
    begin(tmp_path, waiting("a.nii"), waiting("b.nii"))
    assert about(tmp_path, "file", "outcome", "reason", "report") == [
        (f"{name}.nii", "erased", "refused: it was erased", f"a__{ONE}") for name in "ab"
    ]


def test_a_series_that_was_sent_before_and_is_excluded_now_keeps_its_one_row(
    tmp_path: Path,
) -> None:
    series = Origin("s/1.dcm", "series of 3 slices", "/data", 3)
    excluded = Account(
        SKIPPED, "localizer: excluded", (series, origin("s/2.dcm"), origin("s/3.dcm"))
    )
    columns = ("file", "outcome", "files")
    begin(tmp_path, excluded)
    skipped = [(f"s/{n}.dcm", "skipped", "1") for n in (1, 2, 3)]
    assert about(tmp_path, *columns) == skipped
    with opened(tmp_path) as reports:  # VOLUMES=all
        reports.begin(Folder([Account(FileOutcome.WAITING, "not sent yet", (series,))]))
        reports.write(report(ONE), None, lambda _: [series])
    for _ in range(2):
        assert about(tmp_path, *columns) == [("s/1.dcm", "reported", "3")]
        begin(tmp_path, excluded)


def test_a_file_that_holds_no_image_any_more_loses_its_report(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), *(origin(f"{name}.nii") for name in "abc"))
    begin(
        tmp_path,
        account(REFUSED, "it is cut", "a.nii"),
        waiting("b.nii", TWO),
        account(SKIPPED, "text", "c.nii"),
    )
    assert about(tmp_path, "file", "outcome", "scan_id", "verdict", "report") == [
        ("a.nii", "refused", "", "", ""),
        ("b.nii", "waiting", TWO, "", ""),
        ("c.nii", "skipped", "", "", ""),
        ("", "gone", ONE, "pass", f"a__{ONE}"),
    ]


def test_rows_of_files_that_are_gone_are_removed_unless_they_have_a_scan(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), origin("sent.nii"))
    begin(
        tmp_path,
        account(REFUSED, "incomplete", "2.dcm"),
        account(SKIPPED, "sidecar", "a.json"),
        waiting("b.nii", TWO),
    )
    begin(tmp_path, account(SKIPPED, "sidecar", "x.json"), path="/data/sub")
    assert list(outcomes(tmp_path)) == ["sent.nii", "2.dcm", "a.json", "b.nii", "x.json"]
    begin(tmp_path, waiting("1.dcm"))  # the first slice was found again
    assert list(outcomes(tmp_path)) == ["sent.nii", "b.nii", "1.dcm"]


def test_what_an_earlier_run_knows_of_a_scan_changes_no_row_about_it_but_fills_a_new_table(
    tmp_path: Path,
) -> None:
    known = [waiting("a.nii", ONE), waiting("b.nii", TWO), account(SKIPPED, "text", "c")]
    with opened(tmp_path) as reports:
        reports.account(account(FileOutcome.FAILED, "no brain", "a.nii", scan_id=ONE))
        reports.account(account(REFUSED, "it is cut", "b.nii"))
    begin(tmp_path, *known)
    begin(tmp_path / "new", *known)
    others = [("b.nii", "waiting", "not sent yet", TWO), ("c", "skipped", "text", "")]
    columns = ("file", "outcome", "reason", "scan_id")
    assert about(tmp_path, *columns) == [("a.nii", "failed", "no brain", ONE), *others]
    assert about(tmp_path / "new", *columns) == [("a.nii", "waiting", "not sent yet", ONE), *others]


def test_a_scan_of_an_earlier_run_may_become_another_before_the_table_is_written(
    tmp_path: Path,
) -> None:
    begin(tmp_path, waiting("a.nii", ONE))
    with opened(tmp_path) as reports:
        reports.begin(Folder([waiting("a.nii", ONE)]))
        reports.account(account(FileOutcome.FAILED, "no brain", "a.nii", scan_id=ONE))
    assert about(tmp_path, "outcome", "reason") == [("failed", "no brain")]


def test_a_renamed_file_has_its_report_at_once(tmp_path: Path) -> None:
    write(tmp_path, report(ONE), origin("before.nii"))
    begin(tmp_path, waiting("after.nii", ONE))
    assert about(tmp_path, "file", "outcome", "reason", "report") == [
        (f"{name}.nii", "reported", "", f"before__{ONE}") for name in ("before", "after")
    ]


def test_a_report_whose_file_comes_with_it_has_one_row(tmp_path: Path) -> None:
    with opened(tmp_path) as reports:
        reports.account(waiting("a.nii", ONE))
        reports.write(report(ONE))
    assert about(tmp_path, "file", "outcome", "report") == [("a.nii", "reported", ONE)]


def _found(index: ReportIndex) -> None:
    index.begin("/data", [waiting("a.nii"), waiting("b.nii")])


def _recalled(index: ReportIndex) -> None:
    known = account(FileOutcome.COPY, "the same image as a.nii", "b.nii", scan_id=ONE)
    index.begin("/data", [waiting("a.nii", ONE), known])


def _acknowledged(index: ReportIndex) -> None:
    index.account(account(FileOutcome.WAITING, "no report yet", "a.nii", scan_id=ONE))


def _copied(index: ReportIndex) -> None:
    index.account(account(FileOutcome.COPY, "the same image as a.nii", "b.nii", scan_id=ONE))


def _delivered(index: ReportIndex) -> None:
    index.add(report(ONE), [], ONE)  # Fr-HUB sends it before this run has found its file


@pytest.mark.parametrize("delivered_at", range(4))
@pytest.mark.parametrize("written_before", list(product((False, True), repeat=3)))
@pytest.mark.parametrize("earlier", [[], [_found], [_found, _acknowledged]], ids=len)
@pytest.mark.parametrize(
    "steps", [[_found, _acknowledged, _copied], [_recalled, _copied]], ids=["new", "known"]
)
def test_a_report_that_comes_before_its_file_is_never_lost(
    tmp_path: Path,
    steps: list[Callable[[ReportIndex], None]],
    delivered_at: int,
    written_before: tuple[bool, ...],
    earlier: list[Callable[[ReportIndex], None]],
) -> None:
    steps = list(steps)
    steps.insert(delivered_at, _delivered)
    index = ReportIndex(tmp_path, get_log(), "pacs-1")
    for step in earlier:  # an earlier run was killed before it had an answer, or a report
        step(index)
    for step, is_written in zip(steps, (bool(earlier), *written_before), strict=False):
        if is_written:
            index.close()
            index = ReportIndex(tmp_path, get_log(), "pacs-1")
        step(index)
    index.close()
    assert about(tmp_path, "file", "outcome", "report") == [
        ("a.nii", "reported", ONE),
        ("b.nii", "copy", ONE),
    ]


@pytest.mark.parametrize("is_there", [False, True])
def test_of_two_files_that_both_say_to_be_reported_the_second_is_a_copy(
    tmp_path: Path, is_there: bool
) -> None:
    one, two = (Origin(name, "", str(tmp_path / "data")) for name in ("a.nii", "b.nii"))
    reported = [Account(FileOutcome.REPORTED, "", (each,), ONE) for each in (one, two)]
    (tmp_path / "data").mkdir()
    for name in ("a.nii", "b.nii") if is_there else ("b.nii",):
        (tmp_path / "data" / name).touch()
    index = ReportIndex(tmp_path, get_log(), "pacs-1")
    for each in reported:  # as kills between a scan and its row leave it
        index.add(report(ONE), [each], ONE)
        index.close()
        index = ReportIndex(tmp_path, get_log(), "pacs-1")
    known = [Account(FileOutcome.WAITING, "sent by an earlier run", (one,), ONE)]
    known.append(Account(FileOutcome.COPY, "the same image as a.nii", (two,), ONE))
    index.begin("/elsewhere", known)
    index.close()
    second = ("copy", "the same image as a.nii") if is_there else ("reported", "")
    assert about(tmp_path, "file", "outcome", "reason", "report") == [
        ("a.nii", "reported", "", ONE),
        ("b.nii", *second, ONE),
    ]


@pytest.mark.parametrize("sent_first", ["a.nii", "b.nii"])
def test_a_copy_that_was_sent_as_if_it_were_new_is_a_copy(tmp_path: Path, sent_first: str) -> None:
    """A kill came between a scan and its row, so the next run sends the same image once more."""
    folder = str(tmp_path / "data")
    (tmp_path / "data").mkdir()
    names = ("a.nii", "b.nii")
    for name in names:
        (tmp_path / "data" / name).touch()
    places = [Origin(name, "", folder) for name in names]
    index = ReportIndex(tmp_path, get_log(), "pacs-1")
    index.begin(folder, [Account(FileOutcome.WAITING, "not sent yet", (one,)) for one in places])
    for one in sorted(places, key=lambda place: place.file != sent_first):
        index.close()
        index = ReportIndex(tmp_path, get_log(), "pacs-1")
        index.account(Account(FileOutcome.WAITING, "no report yet", (one,), ONE))
        if one.file == sent_first:
            index.add(report(ONE), [Account(FileOutcome.REPORTED, "", (one,), ONE)], ONE)
    index.close()
    assert about(tmp_path, "file", "outcome", "reason", "report") == [
        ("a.nii", "reported", "", ONE),
        ("b.nii", "copy", "the same image as a.nii", ONE),
    ]


def test_a_table_without_outcomes_is_continued(tmp_path: Path) -> None:
    made = report(ONE)
    write(tmp_path, made, origin("a.nii"))
    old = [name for name in COLUMNS if name not in ("outcome", "reason", "files")]
    [row] = rows(tmp_path)
    text = "\n".join(",".join(line) for line in (old, [row[name] for name in old]))
    (tmp_path / "index.csv").write_text(text + "\n")
    begin(tmp_path, waiting("a.nii"), account(SKIPPED, "sidecar", "a.json"))
    assert outcomes(tmp_path) == {"a.nii": ("reported", ""), "a.json": ("skipped", "sidecar")}
    assert rows(tmp_path)[0] == {**row, "files": ""}
    write(tmp_path, made, origin("a.nii"))
    assert rows(tmp_path)[0] == row


def test_ten_thousand_skipped_files_cost_little(tmp_path: Path) -> None:
    files = [account(SKIPPED, "sidecar", f"{n:05}.json") for n in range(10_000)]
    began = time.process_time()
    begin(tmp_path, *files, waiting("a.nii"))
    write(tmp_path, report(ONE), origin("a.nii"))
    assert time.process_time() - began < 4  # measured: 0.2
    assert len(rows(tmp_path)) == 10_001


def test_what_was_noted_while_the_table_could_not_be_written_is_newer(tmp_path: Path) -> None:
    with capture_logs(), opened(tmp_path) as reports:
        (tmp_path / "index.csv").mkdir()
        reports.begin(Folder([waiting("a.nii"), account(SKIPPED, "sidecar", "b.json")]))
        until(lambda: reports._index._failed)
        reports.account(account(REFUSED, "it is cut", "a.nii"))
        (tmp_path / "index.csv").rmdir()
    assert outcomes(tmp_path) == {
        "a.nii": ("refused", "it is cut"),
        "b.json": ("skipped", "sidecar"),
    }
