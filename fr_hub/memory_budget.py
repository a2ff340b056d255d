"""Bounds the memory that scans in transit take, over all connections."""

import asyncio
import contextlib
from collections import deque


class MemoryBudget:
    """A number of bytes to share. Whoever waits is served in order, so that nobody starves.

    A request for more than ``total`` takes all of it. For one event loop.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_take(self, amount: int) -> bool:
        """Take this many bytes now if they are free and nobody waits; whether they were taken."""
        amount = min(amount, self._total)
        if self._queue or amount > self._free:
            return False
        self._free -= amount
        return True

    async def take(self, amount: int) -> None:
        """Wait until this many bytes are free, and take them."""
        if self.try_take(amount):
            return
        turn = asyncio.get_running_loop().create_future()
        entry = (min(amount, self._total), turn)
        self._queue.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(amount)
            else:
                with contextlib.suppress(ValueError):  # ``_serve`` has removed it
                    self._queue.remove(entry)
                self._serve()
            raise

    def release(self, amount: int) -> None:
        """Return bytes that were taken."""
        self._free += min(amount, self._total)
        self._serve()

    def _serve(self) -> None:
        while self._queue:
            amount, turn = self._queue[0]
            if amount > self._free and not turn.cancelled():
                return
            self._queue.popleft()
            # A cancelled request stays queued until its task runs again.
            if not turn.cancelled():
                self._free -= amount
                turn.set_result(None)
