"""Hands the scans of one source to several threads at a given rate."""

import itertools
import threading
import time

from fr_pacs.sources.base import ScanTask, Source

CATCH_UP_S = 10.0
"""A stream that was delayed makes up for this many seconds of missed scans, and no more."""

LOOK_AGAIN_S = 0.5
"""How soon a source that had no scan is asked for one again."""


class RateLimitedSource:
    """A source shared by threads.

    Args:
        source: where the scans come from.
        scans: the largest number of scans to hand out; None: all of them.
        rate: scans per second, all threads together; None: as fast as they are taken.

    Attributes:
        total: how many scans are handed out; None: endless.
        waits: whether scans wait while Fr-HUB is unreachable (see ``Source.waits``).
        exhausted: whether the last scan was handed out.
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
        """Seconds until the next scan is due, 0 if it is due now; None if no scan is left."""
        with self._lock:
            if self.exhausted:
                return None
            return max(0.0, self._due - time.monotonic())

    def take(self) -> ScanTask | None:
        """The next scan if it is due, else None; also None if no scan is left."""
        with self._lock:
            now = time.monotonic()
            if self.exhausted or now < self._due:
                return None
            try:
                task = next(self._tasks)
            except StopIteration:
                self.exhausted = True
                return None
            if task is None:
                self._due = now + LOOK_AGAIN_S
                return None
            # Counted from the time it was due, so that a late thread does not slow the stream. A
            # stream that was blocked for long resumes at its rate and skips most of the backlog.
            self._due = max(self._due, now - CATCH_UP_S) + self._pause
            # Set with the last scan, not when one more would be due: a slow stream ends at once.
            self._taken += 1
            self.exhausted = self._taken == self.total
            return task
