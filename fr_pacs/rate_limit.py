"""Hands the scans of one source to several threads, at the wanted rate."""

import itertools
import threading
import time

from fr_pacs.sources.base import ScanTask, Source

CATCH_UP_S = 10.0
"""What was missed in so many seconds is made up for, no more."""


class Feed:
    """A source shared by threads.

    Args:
        source: where the scans come from.
        scans: how many at most; None: all.
        rate: scans a second, all threads together; None: as fast as they are taken.
    """

    def __init__(self, source: Source, scans: int | None, rate: float | None) -> None:
        self.waits = source.waits
        totals = [n for n in (source.total, scans) if n is not None]
        self.total = min(totals) if totals else None
        self._tasks = itertools.islice(iter(source), self.total)
        self._pause = 1 / rate if rate else 0.0
        self._due = time.monotonic()
        self._lock = threading.Lock()
        self._taken = 0
        self.exhausted = self.total == 0

    def due_in(self) -> float | None:
        """Seconds until the next scan is due, 0 if it is; None: there is none."""
        with self._lock:
            if self.exhausted:
                return None
            return max(0.0, self._due - time.monotonic())

    def take(self) -> ScanTask | None:
        """The next scan if it is due; None if it is not, or there is none."""
        with self._lock:
            now = time.monotonic()
            if self.exhausted or now < self._due:
                return None
            task = next(self._tasks, None)
            if task is None:
                self.exhausted = True
                return None
            # From when it was due, not from now: a late thread must not slow the stream. But a
            # stream that was held up for long goes on at its rate, not with all that it missed.
            self._due = max(self._due, now - CATCH_UP_S) + self._pause
            # Known with the last one, not when one more would be due: a slow stream ends at once.
            self._taken += 1
            self.exhausted = self._taken == self.total
            return task
