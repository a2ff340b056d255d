"""A value that takes long to find, kept for a while."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class KeptValue(Generic[T]):
    """Finds a value at most once in a while, however many ask for it. Thread-safe: one looks, the
    others wait for what it finds.

    Args:
        look: finds the value; what it raises is passed on, and nothing is kept.
        at_least_s: how long the value is kept at least, seconds.
        share: it is kept this many times as long as the look took, if that is longer. So looking
            costs a bounded share of the time.
        now: the clock, seconds.
    """

    def __init__(
        self,
        look: Callable[[], T],
        at_least_s: float = 5.0,
        share: float = 20.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._at_least_s = at_least_s
        self._share = share
        self._now = now
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until: float | None = None

    def get(self) -> T:
        """The value, as it is now or was a while ago."""
        with self._lock:
            start = self._now()
            if self._until is None or start >= self._until:
                self._until = None
                self._value = self._look()
                end = self._now()
                self._until = end + max(self._at_least_s, self._share * (end - start))
            return self._value  # type: ignore[return-value]
