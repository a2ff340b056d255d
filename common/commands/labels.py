"""The labels of scans, which only the files of a Fr-PACS have: ``index.csv`` of REPORTS, LEDGER."""

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from common.domain.report_index import NAME, is_index, label_of
from common.domain.scan_key import scan_key
from common.errors import SettingsError
from common.runtime.logger import command_log

WHERE_PSEUDONYMS_ARE = (
    "SUBJECT is a pseudonym, not the PatientID: make list and the column 'subject' of index.csv "
    "show it beside the file's name"
)
"""What to do if no scan has the given subject."""

_BATCH = 500
_NOT_AN_INDEX = f"Fr-PACS did not write its {NAME}; use the folder that Fr-PACS has as REPORTS"


class Labels:
    """Looks labels up. They are in a temporary file, so that memory does not grow with them.

    Args:
        reports: the folder of the reports, with its index.
        ledger: a ledger.

    Raises:
        SettingsError: one of them cannot be read, or is something else.
    """

    def __init__(self, reports: Path | None, ledger: Path | None) -> None:
        self._known = sqlite3.connect("")  # a file without a name, which ends with the connection
        self._known.execute("CREATE TABLE labels (scan TEXT, label TEXT, UNIQUE (scan, label))")
        if ledger is not None:
            self._take(_of_ledger(ledger), "LEDGER", ledger, "not a ledger of Fr-PACS")
        if reports is not None:
            self._take(_of_index(reports / NAME), "REPORTS", reports, _NOT_AN_INDEX)

    def _take(
        self, found: Iterable[tuple[str, str]], name: str, path: Path, otherwise: str
    ) -> None:
        try:
            with self._known:
                self._known.executemany("INSERT OR IGNORE INTO labels VALUES (?, ?)", found)
        except FileNotFoundError:
            # Of settings for a first run that is still to come.
            command_log().warning("no file names: nothing exists at this path yet", path=str(path))
        except OSError as error:
            raise SettingsError(f"{name}={str(path)!r}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise SettingsError(f"{name}={str(path)!r}: {otherwise}") from error

    def of(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """The labels of scans by their keys; two files of one image have two."""
        labels: dict[str, list[str]] = {}
        for start in range(0, len(keys), _BATCH):
            some = keys[start : start + _BATCH]
            places = ", ".join("?" * len(some))
            query = f"SELECT scan, label FROM labels WHERE scan IN ({places})"  # noqa: S608
            for scan, label in self._known.execute(f"{query} ORDER BY rowid", some):
                labels.setdefault(scan, []).append(label)
        return labels

    def close(self) -> None:
        """Remove the temporary file."""
        self._known.close()


def _of_index(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        table = csv.DictReader(file, restval="")
        if not is_index(table.fieldnames or ()):
            raise ValueError("another table")
        for row in table:
            if row["scan_id"] and (label := label_of(row)):
                yield scan_key(row["scan_id"], row.get("pacs", "")), label


def _of_ledger(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            # An incomplete last line is of a writer that was killed, or still writes.
            if '"label": ' in line and line.endswith("\n"):
                entry = json.loads(line)
                # A file that never became a scan is named by its label alone.
                if entry["label"] != entry["scan_id"]:
                    yield scan_key(entry["scan_id"], entry["pacs"]), entry["label"]
