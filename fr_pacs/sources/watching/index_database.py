"""The SQLite file of the index of sent files."""

import os
import sqlite3
from pathlib import Path

_FORMAT = 4
_TABLES = """
CREATE TABLE about (what TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    root BLOB, path BLOB, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    outcome TEXT NOT NULL, series TEXT NOT NULL, scan_ids TEXT NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (root, path)
) WITHOUT ROWID;
CREATE INDEX of_series ON files (root, series) WHERE series != '';
CREATE INDEX of_told ON files (root) WHERE told != '';
CREATE TABLE parts (
    root BLOB, path BLOB, grid TEXT, series TEXT, slices INTEGER NOT NULL,
    PRIMARY KEY (root, path, grid, series)
) WITHOUT ROWID;
CREATE INDEX of_grid ON parts (root, grid, series, slices);
CREATE TABLE scans (
    folder TEXT, file TEXT, which TEXT, volume TEXT NOT NULL, files INTEGER NOT NULL,
    scan_id TEXT NOT NULL, label TEXT NOT NULL,
    PRIMARY KEY (folder, file, which)
) WITHOUT ROWID;
CREATE INDEX of_scan ON scans (scan_id);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, for this process alone; it is made if it is missing.

    Raises:
        sqlite3.OperationalError: it cannot be made or written, or another process has it open.
        sqlite3.DatabaseError: it is damaged, or of another release.
        OSError: it cannot be made.
    """
    # Made here, because SQLite would apply the umask; its journal gets the mode of the file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    database = sqlite3.connect(path, timeout=0.5, check_same_thread=False)
    try:
        # Held by one process, so that no memory is shared: works on network file systems, too.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        # A power loss may cost the last transactions, whose files are read again.
        database.execute("PRAGMA synchronous = NORMAL")
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    """Make the tables, if there are none.

    Raises:
        sqlite3.DatabaseError: they are those of another release, or damaged.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version not in (0, _FORMAT):
        raise sqlite3.DatabaseError("the index of another release")
    if version == 0:
        database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_FORMAT}; COMMIT;")
    else:
        database.execute("SELECT count(*) FROM about").fetchone()
