"""The clock of MongoDB's primary, as an estimate that costs a command every few seconds.

Times that decide an order are the server's, or the scans of a hub whose host is ahead would wait
for those of the others. ``$$NOW`` exists only in updates by pipeline: storing scans by such upserts
instead of inserts takes mongod 1.7 times as long for grids and 2.6 times for voxels of 64 KiB. So
inserts carry the server's time as estimated here.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

REFRESH_S = 5.0
"""Seconds after which the clock is read again: it may have been set, or the primary replaced."""


class ServerClock:
    """The primary's wall clock, carried on by this process's monotonic clock. Thread-safe.

    The host's wall clock takes no part. The estimate is wrong by half the duration of the command
    that read it, at most.
    """

    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read: tuple[float, datetime] | None = None  # time.monotonic(), the server's time

    def now(self) -> datetime:
        """The primary's time in UTC, to the millisecond.

        Raises:
            PyMongoError: MongoDB is unreachable.
        """
        with self._lock:
            if self._read is None or time.monotonic() - self._read[0] > REFRESH_S:
                began = time.monotonic()
                local: datetime = self._database.command("hello")["localTime"]
                self._read = (began + time.monotonic()) / 2, local.replace(tzinfo=UTC)
            at, then = self._read
        now = then + timedelta(seconds=time.monotonic() - at)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
