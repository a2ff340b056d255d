"""How the row of a file changes with what becomes of it."""

import pytest

from common.domain.file_outcomes import (
    FileOutcome,
    completed,
    scan_in,
    succeeding,
    with_news_of_its_scan,
    with_report_of,
)
from common.domain.report_index import COLUMNS, Row, about_file, about_outcome

WAITING, COPY, SKIPPED = FileOutcome.WAITING, FileOutcome.COPY, FileOutcome.SKIPPED
REPORTED, REFUSED, FAILED = FileOutcome.REPORTED, FileOutcome.REFUSED, FileOutcome.FAILED
ERASED = FileOutcome.ERASED


def row(outcome: str, scan_id: str = "", revision: int = 0, file: str = "a.nii") -> Row:
    """A row; with a revision it has a report."""
    about = {"revision": str(revision), "report": f"r-{scan_id}"} if revision else {}
    scan = {"scan_id": scan_id, "pacs": "pacs-1"}
    return {**about_file(file, "", "/data"), **about_outcome(outcome, ""), **scan, **about}


STRAY = {**row(SKIPPED), "reason": "slice that strayed into a series"}
EXCLUDED = {**row(SKIPPED), "reason": "diffusion volume: excluded by VOLUMES"}


def told(one: Row) -> tuple[str, str, str]:
    return one["outcome"], one.get("scan_id", ""), one.get("revision", "")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # of one scan, a report stays, and the later one counts
        (row(REPORTED, "x", 2), row(WAITING, "x"), (REPORTED, "x", "2")),
        (row(REPORTED, "x", 2), row(FAILED, "x"), (REPORTED, "x", "2")),
        (row(REPORTED, "x", 2), row(COPY, "x"), (COPY, "x", "2")),
        (row(COPY, "x", 2), row(REPORTED, "x", 1), (REPORTED, "x", "2")),
        (row(REPORTED, "x", 1), row(REPORTED, "x", 2), (REPORTED, "x", "2")),
        (row(REPORTED, "x", 2), row(REFUSED, "x"), (REPORTED, "x", "2")),
        (row(REPORTED, "x", 2), row(ERASED, "x"), (ERASED, "x", "2")),
        (row(ERASED, "x", 2), row(WAITING, "x"), (ERASED, "x", "2")),
        (row(FAILED, "x"), row(REPORTED, "x", 1), (REPORTED, "x", "1")),
        (row(FAILED, "x"), row(WAITING, "x"), (WAITING, "x", "")),
        # another scan, or none
        (row(REPORTED, "x", 2), row(WAITING, "y"), (WAITING, "y", "")),
        (row(REPORTED, "x", 2), row(REFUSED), (REFUSED, "", "")),
        (row(REPORTED, "x", 2), row(WAITING), (REPORTED, "x", "2")),
        (row(REPORTED, "x", 2), row(SKIPPED), (SKIPPED, "", "")),
        (row(REPORTED, "x", 2), EXCLUDED, (REPORTED, "x", "2")),
        (row(REPORTED, "x", 2), STRAY, (REPORTED, "x", "2")),
        (row(FAILED, "x"), row(WAITING), (FAILED, "x", "")),
        (row(SKIPPED), row(WAITING), (WAITING, "", "")),
        (row(REFUSED), row(SKIPPED), (SKIPPED, "", "")),
    ],
)
def test_a_row_gives_way_to_what_is_known_later(
    old: Row, new: Row, expected: tuple[str, str, str]
) -> None:
    assert told(succeeding({**old, "mine": "remark"}, new)) == expected
    assert succeeding({**old, "mine": "remark"}, new)["mine"] == "remark"


def test_what_is_new_about_a_scan_holds_for_all_its_files() -> None:
    report = row(REPORTED, "x", 1, "b.nii")
    waits = row(WAITING, "x")
    assert told(with_news_of_its_scan(waits, report)) == (REPORTED, "x", "1")
    assert with_news_of_its_scan(waits, report)["file"] == "a.nii"
    assert told(with_news_of_its_scan(row(COPY, "x"), report)) == (COPY, "x", "1")
    assert told(with_news_of_its_scan(waits, row(FAILED, "x"))) == (FAILED, "x", "")
    assert told(with_news_of_its_scan(row(REPORTED, "x", 1), row(FAILED, "x")))[0] == REPORTED


def test_a_new_row_has_the_report_that_its_scan_has() -> None:
    report = row(REPORTED, "x", 2, "b.nii")
    assert told(with_report_of(row(WAITING, "x"), report)) == (REPORTED, "x", "2")
    assert told(with_report_of(row(COPY, "x"), report)) == (COPY, "x", "2")
    assert told(with_report_of(row(ERASED, "x"), report)) == (ERASED, "x", "2")
    assert told(with_report_of(row(WAITING, "x"), row(FAILED, "x"))) == (WAITING, "x", "")
    assert told(with_report_of(row(REPORTED, "x", 3), report)) == (REPORTED, "x", "3")
    assert with_report_of(row(WAITING, "x"), report)["file"] == "a.nii"


def test_a_row_of_an_earlier_release_is_reported_if_it_has_a_report() -> None:
    old = {name: "" for name in COLUMNS if name not in ("outcome", "reason")}
    assert completed({**old, "report": "r"})["outcome"] == REPORTED
    assert completed(old) == old
    assert completed(row(COPY, "x", 1))["outcome"] == COPY


def test_only_a_row_with_an_id_has_a_scan() -> None:
    assert scan_in(row(WAITING)) is None
    assert scan_in(row(WAITING, "x")) == ("x", "pacs-1")
