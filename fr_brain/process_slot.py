"""The place of one processor: its process, and when to start the next one there."""

import os
import platform
import secrets
import time
from multiprocessing.context import SpawnContext, SpawnProcess

from common.settings.brain import BrainSettings
from fr_brain.current_scan import CurrentScan
from fr_brain.dead_processors import DeadProcessor
from fr_brain.processor_main import processor_main
from fr_brain.work_signal import WorkSignal

QUICK_EXIT_S = 5.0
"""A processor that exits sooner after its start than this, or before its first scan, is restarted
after a pause that grows."""
LONGEST_PAUSE_S = 30.0


class ProcessSlot:
    """Owns one process at a time, its id as an owner of claims, and the pause between two.

    Args:
        number: of this slot, from 1.
        uri: the MongoDB that processors use.
    """

    def __init__(
        self,
        number: int,
        settings: BrainSettings,
        uri: str,
        context: SpawnContext,
        work_signal: WorkSignal,
    ) -> None:
        self.number = number
        self.owner = ""
        self.current_scan = CurrentScan.shared(context)
        self.process: SpawnProcess | None = None
        self.killed_for = ""  # the limit that it exceeded
        self.pause_s = 0.0  # between its exit and the next start
        self.renewed_at = 0.0  # when the watchdog last renewed its claim, time.monotonic()
        self._settings = settings
        self._uri = uri
        self._context = context
        self._work_signal = work_signal
        self._started = 0.0
        self._start_at = 0.0
        self._quick_exits = 0

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self.process is not None  # noqa: S101 - for slots with a process
        assert self.process.pid is not None  # noqa: S101 - it has been started
        return self.process.pid

    def start_if_due(self) -> bool:
        """Start a process, unless one runs or the pause is not over; returns whether it did."""
        if self.process is not None or time.monotonic() < self._start_at:
            return False
        # Known before the start, so that its claims can be released whenever it dies.
        self.owner = f"{platform.node()}-{os.getpid()}-{self.number}-{secrets.token_hex(6)}"
        self._started = time.monotonic()
        self.current_scan = CurrentScan.shared(self._context)
        self.killed_for = ""
        self.process = self._context.Process(
            target=processor_main,
            args=(
                self._settings,
                self._uri,
                self.owner,
                self.number,
                self._work_signal,
                self.current_scan,
            ),
            name=f"fr-brain-{self.number}",
        )
        self.process.start()
        return True

    def kill(self, limit: str) -> None:
        """Kill the process because it exceeds this limit."""
        # SIGKILL, as a hanging analyzer does not react to SIGTERM. Reports of its batch that were
        # not yet written are made again.
        self.killed_for = f"stopped at its {limit}"
        if self.process is not None:
            self.process.kill()

    def has_exited(self) -> bool:
        """Whether there is a process that has exited and was not reaped yet."""
        return self.process is not None and not self.process.is_alive()

    def reap(self) -> int:
        """Clear the slot after an exit and set the pause before the next start; returns the exit
        code."""
        assert self.process is not None  # noqa: S101 - the caller asked has_exited
        self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        self.process = None
        # On a busy machine the start alone can take longer than QUICK_EXIT_S.
        ran_s = time.monotonic() - self._started
        quick = not self.current_scan.ever_set or ran_s < QUICK_EXIT_S
        self._quick_exits = self._quick_exits + 1 if quick else 0
        self.pause_s = min(LONGEST_PAUSE_S, 0.5 * 2**self._quick_exits) if quick else 0.0
        self._start_at = time.monotonic() + self.pause_s
        return code

    def dead(self, cause: str) -> DeadProcessor:
        """What the processor leaves, once its process has ended."""
        return DeadProcessor(self.number, self.owner, self.current_scan.read(), cause)
