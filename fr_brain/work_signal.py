"""The bell of a Fr-BRAIN: its idle processors are woken one by one.

A new scan is work for one of them. Were each to listen for itself, 64 would wake up, look and find
that another one was faster, for every scan. So the supervisor listens, and rings for one; who
leaves something rings for the next before it works. A ring may be lost with the processor that it
woke: polling stays the truth.
"""

from multiprocessing.context import SpawnContext


class Bell:
    """Of one supervisor and its processors; any of them may ring it."""

    def __init__(self, context: SpawnContext) -> None:
        # Nobody holds it, so nobody can die holding it.
        self._rings = context.Semaphore(0)

    def ring(self) -> None:
        """There may be something to do: wake one that waits, else who waits next. One ring is kept
        and no more: whoever hears it looks afterwards, and finds all that there is."""
        if self._rings.get_value() == 0:
            self._rings.release()

    def ring_once_more(self) -> None:
        """As ``ring``, beside those that are kept: for one that must hear it."""
        self._rings.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, so many seconds at most; whether there was one."""
        return self._rings.acquire(timeout=timeout_s)
