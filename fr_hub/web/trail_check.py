"""The verification of the audit trail, for auditors: one at a time, as it reads the whole trail.

The result of ``fr audit``, without what only a file can have (kept heads, archives, a ledger).
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from threading import Lock, Thread

from common.audit.verification import AuditVerdict
from common.domain.types import utc_now
from common.runtime.logger import Log

FRESH_S = 60.0
"""For how long the result of a verification is the answer, seconds."""

WAIT_S = 20.0
"""How long a request waits for a verification, seconds; it goes on without one who waits."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a verification, and when it ended."""

    verdict: AuditVerdict
    at: datetime
    ended: float
    """``time.monotonic()``"""


class TrailCheck:
    """Verifies the trail when somebody asks. Thread-safe.

    Args:
        verify: reads and verifies the whole trail.
        log: for verifications that fail.
    """

    def __init__(self, verify: Callable[[], AuditVerdict], log: Log) -> None:
        self._verify = verify
        self._log = log
        self._lock = Lock()
        self._running: Future[Checked] | None = None
        self._last: Checked | None = None

    async def result(self, wait_s: float = WAIT_S) -> Checked | None:
        """The result of a verification that ended less than ``FRESH_S`` ago, or ends within
        ``wait_s`` seconds; None if it takes longer.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._lock:
            last, running = self._last, self._running
            if last is not None and time.monotonic() - last.ended < FRESH_S:
                return last
            if running is None:
                running = self._running = Future()
                Thread(target=self._run, args=(running,), name="audit check", daemon=True).start()
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(running)), wait_s)
        except TimeoutError:
            return None

    @property
    def last(self) -> Checked | None:
        """The result of the last verification; None: there was none."""
        return self._last

    def _run(self, running: "Future[Checked]") -> None:
        try:
            checked = Checked(self._verify(), utc_now(), time.monotonic())
        except Exception as error:  # noqa: BLE001 - raised where somebody waits for it
            self._log.warning("the audit trail was not verified", error=type(error).__name__)
            self._end(running)
            running.set_exception(error)
        else:
            self._end(running, checked)
            running.set_result(checked)

    def _end(self, running: "Future[Checked]", checked: Checked | None = None) -> None:
        with self._lock:
            self._last = checked or self._last
            if self._running is running:
                self._running = None
