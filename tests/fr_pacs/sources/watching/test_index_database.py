"""The SQLite file of the index of sent files."""

import sqlite3
from pathlib import Path

import pytest

from fr_pacs.sources.watching.index_database import open_database


def test_only_its_owner_may_read_it_and_one_process_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "index"
    database = open_database(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        open_database(path)
    database.close()
    open_database(path).close()


def test_a_file_of_another_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index"
    database = open_database(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(sqlite3.DatabaseError, match="another release"):
        open_database(path)
