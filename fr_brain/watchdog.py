"""The limits of an analysis, enforced from outside the processor."""

import contextlib
import time

from common.errors import StoreError
from common.runtime.logger import Log
from common.settings.brain import BrainSettings
from common.store.unit_parts import BrainStore
from fr_brain.current_scan import ScanInProgress
from fr_brain.lease import RENEWALS_PER_LEASE
from fr_brain.limits import is_stopped, memory_limit_mib, resident_mib
from fr_brain.process_slot import ProcessSlot


class Watchdog:
    """Kills processors that exceed the time or the memory limit.

    Owns the limits, and renews the claims of processors that cannot: while an analyzer's C code
    holds the interpreter lock, the processor's own renewal thread does not run.
    """

    def __init__(self, settings: BrainSettings, store: BrainStore) -> None:
        self._time_limit_s = settings.brain_time_limit_s
        self._memory_mib = memory_limit_mib(settings.brain_memory_mib, settings.brain_processes)
        self._lease_s = settings.brain_lease_s
        self._store = store

    def log_limits(self, log: Log) -> None:
        """Log the limits in force."""
        log.info("analysis limits", time_s=self._time_limit_s, memory_mib=self._memory_mib)

    def check(self, slot: ProcessSlot) -> None:
        """Kill the processor if it is over a limit; else renew its claim if it is due."""
        current = slot.current_scan.read()
        if resident_mib(slot.pid) > self._memory_mib:
            slot.kill(f"memory limit of {self._memory_mib} MiB (BRAIN_MEMORY_MIB)")
        if current is None or not current.began:
            return
        elapsed_s = time.monotonic() - current.began
        if elapsed_s > self._time_limit_s:
            slot.kill(f"time limit of {self._time_limit_s:g} s (BRAIN_TIME_LIMIT_S)")
        else:
            self._renew_if_due(slot, current, elapsed_s)

    def _renew_if_due(self, slot: ProcessSlot, current: ScanInProgress, elapsed_s: float) -> None:
        now = time.monotonic()
        unrenewed_s = min(elapsed_s, now - slot.renewed_at)
        # A processor that somebody has suspended must lose its claim, so that another takes over.
        if unrenewed_s > self._lease_s / RENEWALS_PER_LEASE and not is_stopped(slot.pid):
            slot.renewed_at = now
            with contextlib.suppress(StoreError):  # the next check tries again, or the lease ends
                self._store.supervision.renew(current.key, slot.owner, current.fence, self._lease_s)
