"""Notices that a processor fails whatever it is given, as with a broken driver or a full disk.

Such a processor is quick at failing, and would use up the attempts of every scan that waits. So it
pauses, and then takes one scan at a time until one succeeds; processors of other hosts get the
rest.
"""

from common.runtime.logger import Log

FAILURES = 10
"""Scans of different content that fail in a row before the processor pauses."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class FailureGuard:
    """Counts failures since the last success, by content: one scan that fails again and again is
    that scan's fault."""

    def __init__(self, log: Log, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._log = log
        self._first_pause_s = first_pause_s
        self._failed: set[str] = set()

    @property
    def tripped(self) -> bool:
        """Whether the processor should pause, and take one scan at a time."""
        return len(self._failed) >= FAILURES

    def failed(self, voxels_hash: str, cause: str) -> None:
        """A scan of this content failed."""
        before = self.tripped
        self._failed.add(voxels_hash)
        if self.tripped and not before:
            self._log.error(
                "every analysis fails here: this processor pauses, then tries one scan at a time; "
                "check the analyzer and the memory limit (BRAIN_MEMORY_MIB)",
                failures=len(self._failed),
                cause=cause,
            )

    def succeeded(self) -> None:
        """A scan was analysed."""
        if self.tripped:
            self._log.info("analyses succeed again")
        self._failed.clear()

    def pause_s(self) -> float:
        """How long to pause before the next scan, seconds; 0 if nothing is wrong."""
        if not self.tripped:
            return 0.0
        doublings = min(len(self._failed) - FAILURES, 10)
        return float(min(LONGEST_PAUSE_S, self._first_pause_s * 2**doublings))
