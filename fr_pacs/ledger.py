"""The ledger: a JSON line for each event of a scan at Fr-PACS, for ``make verify`` to check."""

import json
import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from common.domain.types import utc_now
from common.errors import SettingsError


def news_key(scan_id: str, revision: int) -> str:
    """What a report is known by: its scan, and its revision after the first."""
    return scan_id if revision == 1 else f"{scan_id}/{revision}"


RECALLED = 100_000
"""Reports of earlier runs that are known: many more than can be under way at a time."""


class Ledger:
    """Writes events to a file, each batch as it happens; without a path it keeps nothing.

    A ledger that is there is gone on with: the reports that an earlier run noted are known
    (``reported``), so that one whose acknowledgement a kill cut off is not noted again; and a last
    line that a kill cut is taken away.

    Raises:
        SettingsError: the file cannot be written, or is not a ledger.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self.reported: deque[str] = deque(maxlen=RECALLED)
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a", encoding="utf-8")
                self._recall(path)
            except (ValueError, KeyError, TypeError) as error:
                raise SettingsError(f"LEDGER={str(path)!r}: not a ledger of Fr-PACS") from error
            except OSError as error:
                raise SettingsError(f"LEDGER={str(path)!r}: {error.strerror}") from error

    def _recall(self, path: Path) -> None:
        whole = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                if b'"event": "reported"' in line:
                    entry = json.loads(line)
                    self.reported.append(news_key(entry["scan_id"], int(entry.get("revision", 1))))
        if whole < path.stat().st_size:
            os.truncate(path, whole)

    def write(self, event: str, scan_ids: Sequence[str], **fields: str) -> None:
        """One line for each scan: ``sent``, ``acknowledged``, ``refused``, ``failed``,
        ``reported``."""
        if self._file is None or not scan_ids:
            return
        at = utc_now().isoformat(timespec="milliseconds")
        lines = [
            json.dumps({"event": event, "scan_id": scan_id, "at": at, **fields}) + "\n"
            for scan_id in scan_ids
        ]
        with self._lock:
            self._file.write("".join(lines))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
