"""The ledger: a JSON line for each event of a scan at Fr-PACS, for ``make verify`` to check."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from common.errors import SettingsError
from common.models import utc_now


class Ledger:
    """Writes events to a file, each batch as it happens; without a path it keeps nothing.

    Raises:
        SettingsError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:
                raise SettingsError(f"LEDGER={str(path)!r}: {error.strerror}") from error

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
