"""What became of the files of watched folders: a private index that outlives the process.

It holds names of files, so it stays in the folder of this Fr-PACS, with mode 0600. Losing it costs
that the files are read again; their scans have the same ids.
"""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from common.domain.file_outcomes import FileOutcome
from common.domain.report_index import which
from common.errors import SettingsError
from common.runtime.logger import Log
from common.scan_files.file_names import uncut
from fr_pacs.sources.base import Account, Origin, accounts_of
from fr_pacs.sources.watching.index_database import open_database

NAME = "watched-files.sqlite"

DAMAGED = "the index of sent files is damaged, or of another release: Fr-PACS reads all files again"

_SELECT = (
    "SELECT path, size, mtime_ns, outcome, series, scan_ids, told FROM files WHERE root = ? AND"
)

SENT_EARLIER = (
    "sent by an earlier run; if its report does not arrive, run once without WATCH to get it "
    "delivered again"
)


class Outcome(StrEnum):
    """What became of a file, the worst last: that of its volumes which is worst counts."""

    # Fr-HUB has stored its scans.
    SENT = "sent"
    # Fr-HUB never takes a scan of it again: it was erased or purged.
    REFUSED = "refused"
    # It is no scan, or holds a volume that VOLUMES omits: another VOLUMES may want it.
    SKIPPED = "skipped"
    # It is tried again when it changes, and by the next run.
    FAILED = "failed"


_WORST = list(Outcome)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of these outcomes; of none, that it was skipped."""
    return max(outcomes, key=_WORST.index, default=Outcome.SKIPPED)


class SeriesPart(NamedTuple):
    """What a file holds of a DICOM series."""

    grid: str
    """A digest that the series shares with its partial copies."""
    series: str
    """A digest of the series."""
    slices: int


class IndexedFile(NamedTuple):
    """A file, and what became of it."""

    path: Path
    size: int
    """Bytes."""
    mtime_ns: int
    """When it was last written, ns since the epoch; size and time are 0 if its name said all."""
    outcome: Outcome
    series: str = ""
    """A digest that the slices of one DICOM series share; empty if it is not DICOM."""
    scan_ids: tuple[str, ...] = ()
    """The scans of it that Fr-HUB has stored."""
    told: tuple[Account, ...] = ()
    """What else became of it, for the index of the reports."""
    parts: tuple[SeriesPart, ...] = ()
    """What it holds of DICOM series; not read back (``fuller_series``)."""


class SentIndex:
    """The index of one watched folder. Thread-safe.

    Args:
        path: the file; made if it is missing, and made anew if it is damaged.
        root: the watched folder.
        made_by: what the outcomes of files that were not sent depend on, such as the release and
            VOLUMES: if it differs, those files are forgotten.
        key_digest: tells the key of the ids of scans from others: if it differs, all is forgotten.
        log: where it is told that the index is damaged and made anew, or, once, that it cannot be
            written any more, as on a full disk. Nothing else fails then: more files are read again.

    Raises:
        SettingsError: the file cannot be made or written, or another process has it open.
    """

    def __init__(
        self,
        path: Path,
        root: Path,
        made_by: str = "",
        key_digest: str = "",
        log: Log | None = None,
    ) -> None:
        self._root = os.fsencode(root.absolute())
        self._folder = uncut(str(root.absolute()))  # as origins have it
        self._lock = threading.Lock()
        self._log = log
        self._path_of_file = path
        self._made_by, self._key_digest = made_by, key_digest
        self.was_damaged = False
        """Whether the file was damaged, so that this index began empty."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = self._opened()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self.was_damaged = True
                self._database = self._made_anew()
        except (OSError, sqlite3.OperationalError) as error:
            busy = "locked" in str(error)
            why = "another Fr-PACS of this PACS_NAME is using it" if busy else str(error)
            raise SettingsError(
                f"{str(path)!r}, where WATCH keeps its index: {why} (DATA_DIR)"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        database = open_database(self._path_of_file)
        try:
            with database:
                self._forget_what_may_differ(database)
        except sqlite3.OperationalError as error:
            self._tell(error)  # as on a full disk
        except BaseException:
            database.close()
            raise
        return database

    def _made_anew(self) -> sqlite3.Connection:
        path = self._path_of_file
        for part in ("", "-wal", "-journal"):
            path.with_name(path.name + part).unlink(missing_ok=True)
        return self._opened()

    def _forget_what_may_differ(self, database: sqlite3.Connection) -> None:
        about = dict(database.execute("SELECT what, value FROM about"))
        if about.get("key") != self._key_digest:
            database.execute("DELETE FROM files")
            database.execute("DELETE FROM parts")
            database.execute("DELETE FROM scans")
        delete = "DELETE FROM files WHERE root = ? AND outcome = ?"
        database.execute(delete, (self._root, Outcome.FAILED))
        place = f"made by {self._root.hex()}"
        if about.get(place) != self._made_by:
            database.execute(delete, (self._root, Outcome.SKIPPED))
        database.execute(
            "DELETE FROM parts WHERE NOT EXISTS (SELECT 1 FROM files"
            " WHERE files.root = parts.root AND files.path = parts.path)"
        )
        new = [("key", self._key_digest), (place, self._made_by)]
        database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", new)

    def put(self, files: Sequence[IndexedFile]) -> None:
        """Note what became of files. Scans that they held before, and do not hold now, are
        forgotten."""
        rows = [
            (
                *(self._root, self._name(one.path), *one[1:4], one.series, " ".join(one.scan_ids)),
                _as_text(one.told),
            )
            for one in files
        ]
        with self._transaction() as database:
            database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            names = [(self._root, self._name(one.path)) for one in files]
            database.executemany("DELETE FROM parts WHERE root = ? AND path = ?", names)
            parts = [
                (self._root, self._name(one.path), *part) for one in files for part in one.parts
            ]
            database.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?)", parts)
            self._forget_scans(database, ((one.path, one.scan_ids) for one in files))

    def get(self, path: Path) -> IndexedFile | None:
        """What became of a file; None if nothing is known."""
        found = self._files(f"{_SELECT} path = ?", self._name(path))
        return found[0] if found else None

    def counts(self) -> dict[Outcome, int]:
        """How many files there are of each outcome."""
        found = self._rows(
            "SELECT outcome, count(*) FROM files WHERE root = ? GROUP BY outcome", self._root
        )
        return {Outcome(outcome): count for outcome, count in found}

    def all_paths(self) -> set[Path]:
        """The paths of all files."""
        found = self._rows("SELECT path FROM files WHERE root = ?", self._root)
        return {self._path(name) for (name,) in found}

    def of_series(self, series: str) -> list[IndexedFile]:
        """The files of a DICOM series."""
        return self._files(f"{_SELECT} series = ? AND series != ''", series)

    def fuller_series(self, grid: str, slices: int) -> dict[str, list[IndexedFile]]:
        """The files of each series of this grid that has more slices, by the digest of the
        series."""
        found = self._rows(
            "SELECT series FROM parts WHERE root = ? AND grid = ?"
            " GROUP BY series HAVING sum(slices) > ?",
            *(self._root, grid, slices),
        )
        inside = (
            "path IN (SELECT path FROM parts WHERE root = files.root AND grid = ? AND series = ?)"
        )
        return {
            series: self._files(f"{_SELECT} {inside} ORDER BY path", grid, series)
            for (series,) in found
        }

    def forget(self, paths: Iterable[Path]) -> None:
        """Forget these files, and the scans in them."""
        paths = list(paths)
        names = [(self._root, self._name(path)) for path in paths]
        with self._transaction() as database:
            database.executemany("DELETE FROM files WHERE root = ? AND path = ?", names)
            database.executemany("DELETE FROM parts WHERE root = ? AND path = ?", names)
            self._forget_scans(database, ((path, ()) for path in paths))

    def add_scans(self, scans: Iterable[tuple[str, str, Origin]]) -> None:
        """Note scans that Fr-HUB has stored: the id, label and origin of each. Another scan of the
        same origin is forgotten."""
        rows = [
            (one.folder, one.file, which(one.volume), one.volume, one.files, scan_id, label)
            for scan_id, label, one in scans
        ]
        if not rows:
            return
        with self._transaction() as database:
            database.executemany("INSERT OR REPLACE INTO scans VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def labels_of(self, scan_id: str) -> list[tuple[str, Origin]]:
        """The labels and origins of a stored scan, those in this folder if there are any; none if
        it is not known to be stored."""
        found = self._rows(
            "SELECT label, file, volume, folder, files FROM scans WHERE scan_id = ?", scan_id
        )
        known = [(label, Origin(*origin)) for label, *origin in found]
        return [one for one in known if one[1].folder == self._folder] or known

    def accounts(self) -> list[Account]:
        """What is known of the files, for the index of the reports."""
        query = "SELECT path, told FROM files WHERE root = ? AND told != ''"
        told = [
            one
            for name, text in self._rows(query, self._root)
            if os.path.lexists(self._path(name))  # else nothing of it is to be told
            for one in _from_text(text)
        ]
        scans: dict[str, list[Origin]] = {}
        query = "SELECT scan_id, file, volume, folder, files FROM scans WHERE folder = ?"
        for scan_id, *origin in self._rows(query, self._folder):
            scans.setdefault(scan_id, []).append(Origin(*origin))
        waiting = FileOutcome.WAITING
        sent = (accounts_of(of, waiting, SENT_EARLIER, scan_id) for scan_id, of in scans.items())
        return [*chain.from_iterable(sent), *told]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _files(self, query: str, *values: object) -> list[IndexedFile]:
        found = self._rows(query, self._root, *values)
        return [
            IndexedFile(
                path=self._path(name),
                size=size,
                mtime_ns=mtime_ns,
                outcome=Outcome(outcome),
                series=series,
                scan_ids=tuple(ids.split()),
                told=tuple(_from_text(told)),
            )
            for name, size, mtime_ns, outcome, series, ids, told in found
        ]

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query finds; nothing, if the index cannot be read."""
        try:
            with self._lock:
                return self._database.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._handle(error)
            return []

    def _forget_scans(
        self, database: sqlite3.Connection, kept: Iterable[tuple[Path, Sequence[str]]]
    ) -> None:
        """Forget the scans of these files and of the members of these archives, but for those
        that are kept."""
        files = ((uncut(self._relative(path)), " ".join(ids)) for path, ids in kept)
        places = [
            (self._folder, first, last, ids)
            for file, ids in files
            for first, last in ((file, file), (f"{file}/", f"{file}/\U0010ffff"))
        ]
        database.executemany(
            "DELETE FROM scans WHERE folder = ? AND file BETWEEN ? AND ?"
            " AND instr(?, scan_id) = 0",
            places,
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._database:
                yield self._database
        except sqlite3.DatabaseError as error:
            self._handle(error)

    def _handle(self, error: sqlite3.DatabaseError) -> None:
        """Go on without what could not be read or written.

        Raises:
            sqlite3.Error: that is a mistake of ours, such as the use of a closed index.
        """
        if isinstance(error, sqlite3.OperationalError):
            self._tell(error)
            return
        if type(error) is not sqlite3.DatabaseError:
            raise error
        if self._log is not None:
            self._log.warning(DAMAGED, reason=str(error))
        with self._lock:
            self._database.close()
            self._database = self._made_anew()

    def _tell(self, error: sqlite3.Error) -> None:
        if self._log is not None:
            self._log.warning("the index of sent files cannot be written", reason=str(error))
            self._log = None

    def _name(self, path: Path) -> bytes:
        return os.fsencode(self._relative(path))

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path.absolute(), os.fsdecode(self._root))

    def _path(self, name: bytes) -> Path:
        return Path(os.fsdecode(self._root), os.fsdecode(name))


def _as_text(told: Iterable[Account]) -> str:
    rows = [
        (one.outcome, one.reason, one.scan_id, [astuple(origin) for origin in one.origins])
        for one in told
    ]
    return json.dumps(rows) if rows else ""


def _from_text(text: str) -> Iterator[Account]:
    for outcome, reason, scan_id, origins in json.loads(text or "[]"):
        places = tuple(Origin(*origin) for origin in origins)
        yield Account(FileOutcome(outcome), reason, places, scan_id)
