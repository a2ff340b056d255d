"""Writes ``index.csv`` of REPORTS (``common.domain.report_index``).

The file is rewritten by a thread: rows are merged into those that are there, one at a time, and
the result takes their place by a rename. So a reader always sees a whole table, the memory does not
grow with it, and several Fr-PACS may share a folder.
"""

import contextlib
import csv
import fcntl
import io
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from common.domain.file_outcomes import (
    FileOutcome,
    Scan,
    completed,
    has_report,
    scan_in,
    succeeding,
    with_news_of_its_scan,
    with_report_of,
)
from common.domain.report import BrainReport
from common.domain.report_index import (
    COLUMNS,
    NAME,
    OUTCOME,
    REPORT,
    Row,
    about_file,
    about_outcome,
    about_report,
    is_index,
    path_of,
    row_key,
)
from common.errors import SettingsError
from common.runtime.files import appearing_whole
from common.runtime.logger import Log
from fr_pacs.index_upkeep import Bereaved, Doubled, can_tell, marked_if_gone
from fr_pacs.sources.base import Account, Origin

_PAUSE_S = 0.2
_SHARE = 10
"""A rewrite takes a tenth of the time at most, however long the table is."""


_UNREPORTED_KEPT = 100_000
"""Scans whose files are remembered from earlier runs, so that the memory is bounded."""

_Key = tuple[str, str]


NO_FILE = "no file is known: the scan is synthetic, or an earlier run sent it"


class NotAnIndex(OSError):
    """The folder has an ``index.csv`` of something else."""


class ReportIndex:
    """The index of one folder. Thread-safe. Rows that are not written when the process is killed
    come again with the next run of the same files.

    Args:
        folder: REPORTS, which exists.
        log: where a table that cannot be written is told.
        pacs: name of this Fr-PACS.

    Raises:
        SettingsError: the table cannot be read, or is not an index of reports.
    """

    def __init__(self, folder: Path, log: Log, pacs: str = "") -> None:
        self._target = folder / NAME
        self._log = log
        self._pacs = pacs
        self._changed = threading.Condition()
        self._pending: OrderedDict[_Key, Row] = OrderedDict()
        self._recalled: set[_Key] = set()
        """Keys of pending rows about scans of earlier runs: a row of the table knows more."""
        self._first_of: dict[_Key, _Key] = {}
        """The row of the volume, of each further file of a volume that this run does not send."""
        self._scope = ""
        self._closing = self._failed = False
        try:
            with self._locked(), self._table() as (_, table):
                self._unreported = self._unreported_in(table)
                for cut in folder.glob(f".{NAME}.*"):  # of a writer that was killed
                    cut.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(f"{self._target}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._run, name="report-index", daemon=True)
        self._thread.start()

    def unreported(self) -> dict[str, Origin]:
        """The files of the scans whose rows have no report, by scan id."""
        with self._changed:
            return dict(self._unreported)

    def take_origin(self, scan_id: str) -> Origin | None:
        """The file of a scan of an earlier run whose report had not come, once: Fr-HUB may send it
        before this run has found the file."""
        with self._changed:
            return self._unreported.pop(scan_id, None)

    def _unreported_in(self, table: Iterable[Row]) -> dict[str, Origin]:
        found: dict[str, Origin] = {}
        for row in table:
            scan_id, file = row.get("scan_id"), row.get("file", "").removeprefix("./")
            mine = row.get("pacs") == self._pacs and row.get(OUTCOME) != FileOutcome.COPY
            if scan_id and file and mine and not has_report(row) and len(found) < _UNREPORTED_KEPT:
                files = int(row["files"]) if row.get("files", "").isdecimal() else 1
                origin = Origin(file, row.get("volume", ""), row.get("folder", ""), files)
                found.setdefault(scan_id, origin)
        return found

    def begin(self, scope: str, accounts: Iterable[Account]) -> None:
        """Note what is known of all files before the first one is sent. The rows of earlier runs
        that have neither a scan nor a place among these are removed.

        Args:
            scope: the absolute path of SOURCE.
            accounts: of each file in it.
        """
        rows = [row for account in accounts for row in self._rows_of(account)]
        rows.sort(key=path_of)
        with self._changed:
            self._scope = scope
            for row in rows:
                # The first row of a key stays: that of the scan, if the file is sent.
                if self._pending.setdefault(row_key(row), row) is row and scan_in(row):
                    self._recalled.add(row_key(row))
            self._changed.notify_all()

    def without_report(self, scan_ids: Iterable[str]) -> set[str]:
        """Those of these scans that no row of the table names with a report.

        Raises:
            OSError: the table cannot be read.
        """
        left = set(scan_ids)
        with self._locked(), self._table() as (_, table):
            for row in table:
                if has_report(row) and row.get("pacs") == self._pacs:
                    left.discard(row.get("scan_id", ""))
        return left

    def account(self, account: Account) -> None:
        """Note what became of files; their rows are written soon."""
        self._note(self._rows_of(account))

    def add(self, report: BrainReport, accounts: Sequence[Account], name: str) -> None:
        """Note a report; its rows are written soon.

        Args:
            report: of any revision; one that is not later than a row's changes only which file the
                row names.
            accounts: of the volumes of files that it is about, as far as they are known.
            name: of its files, without suffix.
        """
        about = {**about_report(report), REPORT: name}
        unknown = Account(FileOutcome.REPORTED, NO_FILE, ())
        self._note({**row, **about} for one in accounts or [unknown] for row in self._rows_of(one))

    def _note(self, rows: Iterable[Row]) -> None:
        with self._changed:
            for row in rows:
                key = row_key(row)
                before = self._pending.get(key)
                self._pending[key] = row if before is None else succeeding(before, row)
                self._recalled.discard(key)
            self._changed.notify_all()

    def _rows_of(self, account: Account) -> Iterator[Row]:
        outcome = about_outcome(account.outcome, account.reason)
        first: _Key | None = None
        for one in account.origins or (Origin(""),):
            # Where each file has a row, each counts once.
            count = one.files if len(account.origins) == 1 else 1
            file = about_file(one.file, one.volume, one.folder, count)
            row = {**file, **outcome, "scan_id": account.scan_id, "pacs": self._pacs}
            if first is None:
                first = row_key(row)
            elif account.outcome is FileOutcome.SKIPPED:
                self._first_of[row_key(row)] = first
            yield row

    def close(self) -> None:
        """Write what is left. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._pending or self._scope)
                if pause:
                    self._changed.wait_for(lambda: self._closing, pause)
                rows, self._pending = self._pending, OrderedDict()
                recalled, self._recalled = self._recalled, set()
                scope, self._scope = self._scope, ""
                closing = self._closing
            begun = time.monotonic()
            try:
                if rows or scope:
                    self._merge(rows, scope, recalled)
                self._failed = False
            except Exception as error:  # noqa: BLE001 - the thread must go on, and be heard of
                self._tell(error)
                with self._changed:  # what was noted meanwhile is newer
                    later, self._pending = self._pending, rows
                    self._recalled = recalled
                    self._scope = scope
                self._note(later.values())
            if closing:
                return
            pause = max(_PAUSE_S, _SHARE * (time.monotonic() - begun))

    def _tell(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            # The text of an unforeseen error may hold a part of the table.
            reason = type(error).__name__
            if isinstance(error, OSError):
                reason = error.strerror or str(error)
            self._log.warning("the index of the reports cannot be written", reason=reason)

    def _merge(
        self, rows: OrderedDict[_Key, Row], scope: str, recalled: Collection[_Key] = ()
    ) -> None:
        """Replace the rows of the table that these take the place of, and append the others; with a
        ``scope``, remove those in it that are about files that are gone, or mark those that have a
        report."""
        bereaved, reported, doubled = self._merged(rows, scope, recalled)
        if bereaved or reported or doubled:
            with self._locked(), self._table() as (_, table):
                found = Bereaved(bereaved, (_with_news(row, reported) for row in table))
            # A row that has its report only now may be the second of its scan.
            doubles = Doubled(doubled | reported.keys())
            with self._rewriting() as (table, write):
                for row in table:
                    write(doubles.demoted(found.promoted(_with_news(row, reported))))
                for row in found.rows_without_file():
                    write(row)

    @contextlib.contextmanager
    def _rewriting(self) -> Iterator[tuple[Iterator[Row], Callable[[Row], object]]]:
        """The rows of the table, and a function that writes those of its successor."""
        with self._locked(), self._table() as (columns, table), appearing_whole(self._target) as to:
            text = io.TextIOWrapper(to, encoding="utf-8", newline="", write_through=True)
            writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
            writer.writeheader()
            yield table, writer.writerow
            text.flush()
            text.detach()

    def _merged(
        self, rows: OrderedDict[_Key, Row], scope: str, recalled: Collection[_Key]
    ) -> tuple[dict[Scan, Row], dict[Scan, Row], set[Scan]]:
        """As ``_merge``; the scans that have lost a row that had their report, each with it; those
        of which a row lacks the report that another row had, each with that one; and those that
        several rows name as reported."""
        news = _news(row for key, row in rows.items() if key not in recalled)
        scans = {scan_in(row) for row in rows.values()}
        with_file = {scan_in(row) for row in rows.values() if row["file"]}
        # A report may come before its file is known: the row without a file has it.
        left = {key: _with_news(row, news) for key, row in rows.items()}
        named: dict[Scan, Row] = {}
        has_scan: set[_Key] = set()
        bereaved: dict[Scan, Row] = {}
        lacking: set[Scan | None] = set()
        reports: Counter[Scan] = Counter()
        to_mark = scope if scope and can_tell(scope) else ""
        with self._rewriting() as (table, write):
            for row in table:
                key, scan = row_key(row), scan_in(row)
                if scan is not None and scan in with_file and not row.get("file"):
                    if has_report(row):  # the file is known now
                        named[scan] = row
                        lacking.add(scan)
                    continue
                new = left.pop(key, None)
                if new is not None and key in recalled and scan == scan_in(new):
                    new = None
                if new is not None:
                    before, row = row, _with_news(succeeding(row, new), news)
                    if scan is not None and scan_in(row) == scan:
                        has_scan.add(row_key(row))
                    elif scan is not None and has_report(before):
                        bereaved.setdefault(scan, before)
                elif scan in news:
                    row = with_news_of_its_scan(row, news[scan])
                elif scan is None and self._is_gone(row, scope):
                    continue
                if new is None and has_report(row) and self._is_mine(row, to_mark):
                    before, row = row, marked_if_gone(row)
                    if row is not before and scan is not None:
                        bereaved.setdefault(scan, row)
                write(row)
                scan = scan_in(row)
                if new is not None and not has_report(row):
                    lacking.add(scan)
                if scan is not None and scan in scans:
                    reports[scan] += _is_reported(row)
                    if scan not in named or has_report(row):
                        named[scan] = row
            for key, row in left.items():
                scan = scan_in(row)
                if self._first_of.get(key) in has_scan:
                    continue  # the row of the volume, which an earlier run sent, counts it
                if row["file"]:
                    row = _with_news(row, named)
                    if scan is not None:
                        reports[scan] += _is_reported(row)
                    write(row)
                # What happened to a scan whose file nobody knows needs no row if another one names
                # its file; and without a report there is nothing to tell.
                elif has_report(row) and scan not in with_file and scan not in named:
                    write(row)
        reported = {scan: row for scan, row in named.items() if scan in lacking and has_report(row)}
        return bereaved, reported, {scan for scan, count in reports.items() if count > 1}

    def _is_gone(self, row: Row, scope: str) -> bool:
        """Whether a row of an earlier run, which has no scan, is about a file that this run did not
        find."""
        return not has_report(row) and self._is_mine(row, scope)

    def _is_mine(self, row: Row, scope: str) -> bool:
        """Whether a row of this Fr-PACS is about a file in this folder."""
        path = path_of(row)
        mine = row.get("pacs") == self._pacs
        return mine and bool(scope) and (path == scope or path.startswith(f"{scope}/"))

    @contextlib.contextmanager
    def _table(self) -> Iterator[tuple[Sequence[str], Iterator[Row]]]:
        """The columns of the table, and its rows.

        Raises:
            OSError: it cannot be read, or is another one.
        """
        try:
            file = self._target.open(encoding="utf-8-sig", errors="backslashreplace", newline="")
        except FileNotFoundError:
            yield COLUMNS, iter(())
            return
        with file:
            try:
                table = csv.DictReader(file, restkey="", restval="")
                found = table.fieldnames or ()
                if found and not is_index(found):
                    raise NotAnIndex("it is not an index of reports: move it elsewhere")
                more = [name for name in found if name not in COLUMNS and name]
                yield (*COLUMNS, *more), (completed(_whole(row)) for row in table)
            except csv.Error as error:
                raise NotAnIndex("it is not an index of reports: move it elsewhere") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Other Fr-PACS that share the folder wait."""
        descriptor = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            os.fsync(descriptor)  # the new name
        finally:
            os.close(descriptor)


def _whole(row: Row) -> Row:
    row.pop("", None)
    return row


def _is_reported(row: Row) -> bool:
    return has_report(row) and row.get(OUTCOME) == FileOutcome.REPORTED and bool(row.get("file"))


def _with_news(row: Row, news: Mapping[Scan, Row]) -> Row:
    """A row, with what another one knows of the report of its scan."""
    scan = scan_in(row)
    return with_report_of(row, news[scan]) if scan is not None and scan in news else row


def _news(rows: Iterable[Row]) -> dict[Scan, Row]:
    """What is new about each scan: its report, else what a row says. That a file is a copy says
    nothing about the others."""
    news: dict[Scan, Row] = {}
    for row in rows:
        scan = scan_in(row)
        is_news = has_report(row) or row[OUTCOME] != FileOutcome.COPY
        if scan is not None and is_news and (scan not in news or has_report(row)):
            news[scan] = row
    return news
