"""Keeps the rows of ``index.csv`` true when files go, or hold another image than before."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from common.domain.file_outcomes import FileOutcome, Scan, has_report, scan_in
from common.domain.report_index import (
    ABOUT_FILE,
    OUTCOME,
    REASON,
    Row,
    about_outcome,
    label_of,
    path_of,
)

GONE = "the last run did not find the file; the report is still here"
REPLACED = "{} no longer contains the image; the report is still here"


def is_there(path: str) -> bool:
    """Whether a file is there, or the archive that it is in."""
    if os.path.lexists(path):
        return True
    return any(parent.is_file() for parent in Path(path).parents)


def can_tell(scope: str) -> bool:
    """Whether what is not in this folder is gone: a share that is not mounted is an empty folder,
    whose files will be there again."""
    try:
        with os.scandir(scope) as found:
            return any(True for _ in found)
    except NotADirectoryError:
        return True
    except OSError:
        return False


def marked_if_gone(row: Row) -> Row:
    """A row with a report, as it is to be if its file may be gone."""
    if row.get(OUTCOME) not in (FileOutcome.REPORTED, FileOutcome.COPY) or is_there(path_of(row)):
        return row
    return {**row, **about_outcome(FileOutcome.GONE, GONE)}


class Bereaved:
    """Scans whose row names another scan now, or whose file is gone: a copy takes its place, and
    without one a row without a file keeps the report.

    Args:
        rows: the last row of each.
        table: all rows of the index as they are now.
    """

    def __init__(self, rows: dict[Scan, Row], table: Iterable[Row]) -> None:
        self._lost = dict(rows)
        self._first: dict[Scan, str] = {}
        """The file that is named first, by scan, once its copy has been promoted."""
        seen: set[Scan] = set()
        for row in table:
            scan = scan_in(row)
            if scan is None or scan not in rows:
                continue
            seen.add(scan)
            if row.get(OUTCOME) == FileOutcome.REPORTED:
                self._lost.pop(scan, None)
        self._rowless = [row for scan, row in self._lost.items() if scan not in seen]

    def promoted(self, row: Row) -> Row:
        """A row as it is to be: the first copy of a bereaved scan is what is reported."""
        scan = scan_in(row)
        if scan is None or scan not in self._lost or row.get(OUTCOME) != FileOutcome.COPY:
            return row
        if (first := self._first.get(scan)) is not None:
            return {**row, **about_outcome(FileOutcome.COPY, f"the same image as {first}")}
        if not has_report(row):
            return row
        self._first[scan] = label_of(row)
        return {**row, OUTCOME: FileOutcome.REPORTED, REASON: ""}

    def rows_without_file(self) -> Iterator[Row]:
        """Rows for reports that no other row names."""
        for row in self._rowless:
            told = about_outcome(FileOutcome.GONE, REPLACED.format(label_of(row)))
            yield {**row, **dict.fromkeys(ABOUT_FILE, ""), **told}


class Doubled:
    """Scans that several rows say are reported from their file, as after kills that came between a
    scan and its row: the first file that is there stays, the others hold copies.

    Args:
        scans: which.
    """

    def __init__(self, scans: set[Scan]) -> None:
        self._scans = scans
        self._first: dict[Scan, Row] = {}

    def demoted(self, row: Row) -> Row:
        """A row as it is to be."""
        scan = scan_in(row)
        is_one = row.get(OUTCOME) == FileOutcome.REPORTED and has_report(row)
        if scan not in self._scans or scan is None or not is_one or not is_there(path_of(row)):
            return row
        if (first := self._first.setdefault(scan, row)) is row:
            return row
        return {**row, **about_outcome(FileOutcome.COPY, f"the same image as {label_of(first)}")}
