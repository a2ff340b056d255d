"""Looks at the waiting scans once in a while, for those that no claim would ever find."""

import threading
from collections.abc import Callable

from common.errors import StoreError
from common.runtime.logger import Log
from common.store.unit_parts import BrainStore

CHECK_S = 60.0
"""Seconds between two checks."""

COUNTED_MAX = 100_000
"""The most scans of a lane that are counted."""


class QueueCheck:
    """A thread that fails damaged scans and logs types that no analyzer here reads.

    Args:
        types: the types that are read here; None while that is not known.
        pause_s: pause before the second attempt to analyse a scan, seconds.
    """

    def __init__(
        self,
        store: BrainStore,
        types: Callable[[], frozenset[str] | None],
        log: Log,
        pause_s: float,
        every_s: float = CHECK_S,
    ) -> None:
        self._pause_s = pause_s
        self._store = store
        self._types = types
        self._log = log
        self._every_s = every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue check", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(self._every_s):
            try:
                self.check()
            except StoreError as error:  # the next check finds the same
                self._log.debug("the waiting scans cannot be checked", reason=str(error))

    def check(self) -> None:
        """Check once.

        Raises:
            StoreError: MongoDB is unreachable or refuses.
        """
        if failed := self._store.supervision.fail_damaged(pause_s=self._pause_s):
            self._log.error(
                "scans failed: their stored documents are damaged (make errors lists them)",
                scans=failed,
            )
        read = self._types()
        if read is None:
            return
        for scan_type, scans in self._store.capacity.count_to_do_by_type(COUNTED_MAX).items():
            if scan_type not in read:
                self._log.warning(
                    "scans wait, and no analyzer here reads their type",
                    scan_type=scan_type,
                    scans=scans,
                )
