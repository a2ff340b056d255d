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
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.domain.report import BrainReport
from common.domain.report_index import (
    COLUMNS,
    NAME,
    REPORT,
    Row,
    about_file,
    about_report,
    is_index,
    row_key,
)
from common.errors import SettingsError
from common.runtime.files import appearing_whole
from common.runtime.logger import Log
from fr_pacs.sources.base import Origin

_PAUSE_S = 0.2
_SHARE = 10
"""A rewrite takes a tenth of the time at most, however long the table is."""


class NotAnIndex(OSError):
    """The folder has an ``index.csv`` of something else."""


class ReportIndex:
    """The index of one folder. Thread-safe. Rows that are not written when the process is killed
    come again with the next run of the same files.

    Args:
        folder: REPORTS, which exists.
        log: where a table that cannot be written is told.

    Raises:
        SettingsError: the table cannot be read, or is not an index of reports.
    """

    def __init__(self, folder: Path, log: Log) -> None:
        self._target = folder / NAME
        self._log = log
        self._changed = threading.Condition()
        self._pending: OrderedDict[tuple[str, str], Row] = OrderedDict()
        self._closing = self._failed = False
        try:
            with self._locked(), self._table():
                for cut in folder.glob(f".{NAME}.*"):  # of a writer that was killed
                    cut.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(f"{self._target}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._run, name="report-index", daemon=True)
        self._thread.start()

    def add(self, report: BrainReport, origins: Sequence[Origin], name: str) -> None:
        """Note a report; its row is written soon.

        Args:
            report: of any revision; one that is not later than a row's changes only which file the
                row names.
            origins: the volumes of files that it is about, as far as they are known.
            name: of its files, without suffix.
        """
        about = {**about_report(report), REPORT: name}
        files = [about_file(one.file, one.volume, one.folder) for one in origins]
        with self._changed:
            for row in ({**file, **about} for file in files or [about_file("", "", "")]):
                self._pending[row_key(row)] = row
            self._changed.notify_all()

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
                self._changed.wait_for(lambda: self._closing or self._pending)
                if pause:
                    self._changed.wait_for(lambda: self._closing, pause)
                rows, self._pending = self._pending, OrderedDict()
                closing = self._closing
            begun = time.monotonic()
            try:
                if rows:
                    self._merge(rows)
                self._failed = False
            except OSError as error:
                self._tell(error)
                with self._changed:  # what was noted meanwhile is newer
                    self._pending = OrderedDict({**rows, **self._pending})
            if closing:
                return
            pause = max(_PAUSE_S, _SHARE * (time.monotonic() - begun))

    def _tell(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            reason = error.strerror or str(error)
            self._log.warning("the index of the reports cannot be written", reason=reason)

    def _merge(self, rows: OrderedDict[tuple[str, str], Row]) -> None:
        """Replace the rows of the table that these take the place of, and append the others."""
        latest = {(row["scan_id"], row["pacs"]): row for row in rows.values()}
        left, named = dict(rows), set()
        with self._locked(), self._table() as (columns, table), appearing_whole(self._target) as to:
            text = io.TextIOWrapper(to, encoding="utf-8", newline="", write_through=True)
            writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
            writer.writeheader()
            for row in table:
                key, scan = row_key(row), (row.get("scan_id", ""), row.get("pacs", ""))
                new = left.pop(key, None)
                if new is None and (about := latest.get(scan)):
                    if not row.get("file"):
                        continue  # the file is known now
                    new = {**row, **_without_file(about)}
                if new is not None and scan == (new["scan_id"], new["pacs"]):
                    new = _later(row, new)
                writer.writerow(row if new is None else {**row, **new})
                named.add(scan if new is None else (new["scan_id"], new["pacs"]))
            # A report whose file nobody knows needs no row if another one names its file.
            writer.writerows(
                row
                for row in left.values()
                if row["file"] or (row["scan_id"], row["pacs"]) not in named
            )
            text.flush()
            text.detach()

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
                yield (*COLUMNS, *more), (_whole(row) for row in table)
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


def _without_file(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in ("file", "volume", "folder")}


def _later(old: Row, new: Row) -> Row:
    """The new row, unless the old one is about a later revision of the same report."""
    try:
        if int(old.get("revision", "")) > int(new["revision"]):
            return {**new, **_without_file(old)}
    except ValueError:
        pass
    return new
