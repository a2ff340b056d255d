"""What is left to do for processors that have died: release their scans, record the causes."""

from collections import deque
from dataclasses import dataclass

from common.domain.states import ReportGenerated
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import Log
from common.store.unit_parts import BrainStore
from fr_brain.current_scan import ScanInProgress


@dataclass(frozen=True, slots=True)
class DeadProcessor:
    """A processor that has ended."""

    number: int
    owner: str
    """The id under which it claimed scans."""
    current: ScanInProgress | None
    """What it worked on when it ended, and so probably died of."""
    cause: str
    """Why it ended; empty if it was stopped in order, which uses no attempt."""


class DeadProcessors:
    """Owns the dead processors whose scans are not released yet: without this they would wait
    until their leases expire."""

    def __init__(self, store: BrainStore, attempts: int, pause_s: float, log: Log) -> None:
        self._store = store
        self._attempts = attempts
        self._pause_s = pause_s
        self._log = log
        self._pending: deque[DeadProcessor] = deque()

    def __bool__(self) -> bool:
        """Whether some are pending."""
        return bool(self._pending)

    def add(self, dead: DeadProcessor) -> None:
        """Remember a dead processor until ``clear`` succeeds."""
        self._pending.append(dead)

    def clear(self) -> None:
        """Record the cause at each current scan, and release all other claims. While MongoDB is
        unreachable they stay pending; one that MongoDB refuses does not keep the others waiting."""
        for _ in range(len(self._pending)):
            dead = self._pending[0]
            try:
                if dead.current is not None and dead.cause:
                    self._fail_current(dead, dead.current)
                released = self._release(dead)
            except StoreUnavailable:
                return
            except StoreError as error:
                self._pending.rotate(-1)
                self._log.debug("cannot release a dead processor's scans", reason=str(error))
                continue
            self._pending.popleft()
            if released:
                self._log.info(
                    "released the scans of a dead processor", processor=dead.number, scans=released
                )

    def _release(self, dead: DeadProcessor) -> int:
        if not dead.cause:
            return self._store.claims.release(dead.owner)
        return self._store.claims.release_dead(dead.owner, self._attempts, pause_s=self._pause_s)

    def _fail_current(self, dead: DeadProcessor, current: ScanInProgress) -> None:
        stage = f"analyzer {current.analyzer}" if current.analyzer else "before the analysis"
        state = self._store.supervision.fail(
            current.key,
            dead.owner,
            current.fence,
            f"{stage}: {dead.cause}",
            self._attempts,
            pause_s=self._pause_s,
        )
        if state is not None:
            log = self._log.error if state is ReportGenerated.ERROR else self._log.warning
            log("no report", scan_id=current.key, cause=dead.cause, now=str(state))
