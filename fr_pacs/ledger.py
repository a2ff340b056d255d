"""LEDGER: one JSON line per event of a scan at Fr-PACS, for ``make verify`` to check."""

import contextlib
import json
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from types import MappingProxyType

from common.domain.types import utc_now
from common.errors import SettingsError

RECALLED = 100_000
"""Reports of earlier runs that are remembered: many more than can be under way at a time."""

_NONE: Mapping[str, str] = MappingProxyType({})


def report_key(scan_id: str, revision: int) -> str:
    """The key that identifies one revision of a report."""
    return scan_id if revision == 1 else f"{scan_id}/{revision}"


class LedgerError(OSError):
    """The ledger cannot be written."""


class Ledger:
    """Appends events to a file, each batch at once; without a path it keeps nothing.

    An existing ledger is continued. The reports and failures in it are remembered, so that one that
    Fr-HUB sends again because its acknowledgement was lost is not recorded twice. An incomplete
    last line, left by a kill, is removed.

    Args:
        path: the file.
        pacs: name of this Fr-PACS, for each line; ids are unique only within one.

    Attributes:
        reported: keys (``report_key``) of the reports in the ledger, the latest RECALLED of them.
        failed: scans that failed, each with the reason, the latest RECALLED of them.
        labels: of the scans in the ledger, the latest RECALLED of them.

    Raises:
        SettingsError: the file cannot be written, or is not a ledger.
    """

    def __init__(self, path: Path | None, pacs: str = "") -> None:
        self._pacs = {"pacs": pacs} if pacs else {}
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self.reported: deque[str] = deque(maxlen=RECALLED)
        self.failed: deque[tuple[str, str]] = deque(maxlen=RECALLED)
        self.labels: OrderedDict[str, str] = OrderedDict()
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("ab", buffering=0)
                self._recall(path)
            except (ValueError, KeyError, TypeError) as error:
                raise SettingsError(
                    f"LEDGER={str(path)!r}: not a ledger of Fr-PACS; choose another file"
                ) from error
            except OSError as error:
                raise SettingsError(f"LEDGER={str(path)!r}: {error.strerror}") from error

    def _recall(self, path: Path) -> None:
        complete = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                complete += len(line)
                if b'"event": "reported"' in line:
                    entry = json.loads(line)
                    revision = int(entry.get("revision", 1))
                    self.reported.append(report_key(entry["scan_id"], revision))
                elif b'"event": "failed"' in line:
                    entry = json.loads(line)
                    self.failed.append((entry["scan_id"], entry.get("reason", "")))
                elif b'"event": "sent"' in line and b'"label": ' in line:
                    entry = json.loads(line)
                    self.labels[entry["scan_id"]] = str(entry["label"])
                    if len(self.labels) > RECALLED:
                        self.labels.popitem(last=False)
        if complete < path.stat().st_size:
            os.truncate(path, complete)

    def write(
        self,
        event: str,
        scan_ids: Sequence[str],
        labels: Mapping[str, str] = _NONE,
        **fields: str | list[str],
    ) -> None:
        """Append one line per scan.

        Args:
            event: ``sent``, ``acknowledged``, ``refused``, ``failed``, ``reported``, ``copy`` or
                ``skipped``.
            scan_ids: the scans; a scan that failed before it had an id is named by its label.
            labels: the label of each scan by its id, as far as it is known.
            fields: further fields of each line.

        Raises:
            LedgerError: the lines cannot be written, as on a full disk; then none of them is.
        """
        if self._file is None or not scan_ids:
            return
        at = utc_now().isoformat(timespec="milliseconds")
        lines = []
        for scan_id in scan_ids:
            entry: dict[str, object] = {"event": event, "scan_id": scan_id, "at": at}
            entry |= {**self._pacs, **fields}
            if scan_id in labels:
                entry["label"] = labels[scan_id]
            lines.append(json.dumps(entry) + "\n")
        with self._lock:
            _append(self._file, "".join(lines).encode())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _append(file: FileIO, lines: bytes) -> None:
    """Append all of these bytes, or none."""
    before = os.fstat(file.fileno()).st_size
    left = memoryview(lines)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        with contextlib.suppress(OSError):
            os.ftruncate(file.fileno(), before)
        raise LedgerError(error.errno, error.strerror) from error
