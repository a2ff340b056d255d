"""Whether scans may come in now: the backlog and the disks, as Fr-HUB looks at them.

Each tenant's uploads have a guaranteed share of the backlog (``fr_hub.shares``), so that neither
the Fr-PACS nor another tenant's uploads can take it all. Measured once a second at most; what this
process has stored since is added.
"""

import shutil
import threading
import time
from collections.abc import Collection
from pathlib import Path

from common.settings.web import WebSettings
from common.store.capacity import Capacity
from fr_hub.shares import Shares

MEASURE_S = 1.0
RETRY_S = 15
MIB = 2**20


class Full(Exception):
    """No scan may come in now; the text says why.

    Args:
        reason: for the client.
        retry_s: when to try again.
    """

    def __init__(self, reason: str, retry_s: int = RETRY_S) -> None:
        super().__init__(reason)
        self.retry_s = retry_s


class Intake:
    """Checks the limits. Thread-safe.

    Args:
        settings: the limits.
        capacity: measures the store.
        sources: the tenants' uploads.
    """

    def __init__(self, settings: WebSettings, capacity: Capacity, sources: Collection[str]) -> None:
        self._backlog = settings.hub_backlog
        self._min_free = settings.hub_disk_free_mib * MIB
        self._folder = settings.data_dir.expanduser()
        self._capacity = capacity
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        self._measured_at = -MEASURE_S
        self._shares = Shares(self._backlog, self._sources)
        self._free: int | None = None

    def check(self, source: str) -> None:
        """Check whether a scan of this source may come in.

        Raises:
            Full: not now.
            StoreError: it cannot be measured.
        """
        with self._lock:
            if time.monotonic() - self._measured_at >= MEASURE_S:
                self._measure()
                self._measured_at = time.monotonic()
            if self._free is not None and self._free < self._min_free:
                raise Full("the database's disk is full")
            if not self._shares.fits(source):
                raise Full("the maximum number of scans is already waiting for analysis")

    def stored(self, source: str) -> None:
        """A scan of this source was stored."""
        with self._lock:
            self._shares.take(source)

    def check_disk(self, size: int, outstanding: int) -> None:
        """Check whether the disk of DATA_DIR has space for so many bytes.

        Args:
            size: of the upload that is to come, bytes.
            outstanding: bytes of others that have yet to come.

        Raises:
            Full: it has not.
        """
        free = shutil.disk_usage(_existing(self._folder)).free
        if free - outstanding - size < self._min_free:
            raise Full("the server's disk has no space for an upload of this size")

    def _measure(self) -> None:
        to_do = self._capacity.count_to_do_by_pacs(self._backlog + 1)
        if self._min_free:
            self._free = self._capacity.disk_free()
        self._shares = Shares(self._backlog, self._sources)
        for source, count in to_do.items():
            self._shares.take(source, count)


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.absolute().parent
    return folder
