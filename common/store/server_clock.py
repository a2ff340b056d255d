"""The clock of MongoDB's primary, as an estimate that costs a command every few seconds.

Times that decide an order are the server's, or the scans of a hub whose host is ahead would wait
for those of the others. ``$$NOW`` exists only in updates by pipeline: storing scans by such upserts
instead of inserts takes mongod 1.7 times as long for grids and 2.6 times for voxels of 64 KiB. So
inserts carry the server's time as estimated here.

Such an estimate may be wrong: the clock of mongod is set, a primary with another clock is elected,
or the process stands still between the estimate and the write. In ``received_at``, that moves a
scan in the queue and nothing else. A time that ends something, such as a lease, is written only
under the condition ``still``, which the server itself checks: ``$$NOW`` in a filter costs little.
So a lease is never off by more than ``TOLERANCE_S``. Whoever finds that the server did not agree
lets it compute the time itself, and has the estimate forgotten (``forget``).
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from common.domain.types import Document

REFRESH_S = 5.0
"""Seconds after which the clock is read again: it may have been set, or the primary replaced."""

TOLERANCE_S = 3.0
"""How far an estimate may be off, with the time until the write is executed, for ``still``. Less
than the leases that depend on it, and more than a command takes on a busy server."""


class ServerClock:
    """The primary's wall clock, carried on by this process's monotonic clock. Thread-safe.

    The host's wall clock takes no part. The estimate is wrong by half the duration of the command
    that read it, at most; one that took longer than ``TOLERANCE_S`` is used once and not kept.
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
                at, then = self._measure()
            else:
                at, then = self._read
        return _carried_on(at, then)

    def _measure(self) -> tuple[float, datetime]:
        """Read the clock. With the lock held."""
        began = time.monotonic()
        local: datetime = self._database.command("hello")["localTime"]
        ended = time.monotonic()
        measured = (began + ended) / 2, local.replace(tzinfo=UTC)
        self._read = measured if ended - began <= TOLERANCE_S else None
        return measured

    @staticmethod
    def still(now: datetime) -> Document:
        """A filter that finds documents only while the server's clock agrees with the estimate
        ``now``, to ``TOLERANCE_S``."""
        margin = timedelta(seconds=TOLERANCE_S)
        agrees = [{"$gte": ["$$NOW", now - margin]}, {"$lte": ["$$NOW", now + margin]}]
        return {"$expr": {"$and": agrees}}

    def forget(self) -> None:
        """Read the clock again when it is needed next: the estimate was found to be wrong."""
        with self._lock:
            self._read = None

    def now_us(self) -> int:
        """The primary's time in microseconds since 1970, as estimated when ``now`` last read it, so
        without a command; before that, and while MongoDB is unreachable, the host's time."""
        with self._lock:
            read = self._read
        if read is None:
            return time.time_ns() // 1000
        at, then = read
        return round(then.timestamp() * 1_000_000 + (time.monotonic() - at) * 1_000_000)


def _carried_on(at: float, then: datetime) -> datetime:
    now = then + timedelta(seconds=time.monotonic() - at)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
