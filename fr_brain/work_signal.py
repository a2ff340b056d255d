"""The work signal of a Fr-BRAIN: it wakes idle processors one by one.

A new scan is work for one processor. If each listened to MongoDB itself, all 64 would wake up for
every scan, query, and find that another one was faster. So the supervisor listens and wakes one;
whoever leaves scans waiting wakes the next before starting to work. A wake-up may be lost with the
processor that it woke, so processors also poll.
"""

from multiprocessing.context import SpawnContext


class WorkSignal:
    """Shared by one supervisor and its processors; any of them may notify."""

    def __init__(self, context: SpawnContext) -> None:
        # A semaphore, as nobody holds it and so nobody can die holding it.
        self._pending = context.Semaphore(0)

    def notify(self) -> None:
        """There may be work: wake one waiting processor, else the next that waits.

        At most one wake-up is kept, because whoever gets it looks for scans afterwards and finds
        all of them.
        """
        if self._pending.get_value() == 0:
            self._pending.release()

    def notify_always(self) -> None:
        """Like ``notify``, but never coalesced: for a processor that must wake up."""
        self._pending.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a wake-up, ``timeout_s`` seconds at most; returns whether one came."""
        return self._pending.acquire(timeout=timeout_s)
