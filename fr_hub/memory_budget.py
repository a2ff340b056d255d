"""A bound on the bytes that all connections hold together."""

import asyncio
import contextlib
from collections import deque


class ByteBudget:
    """Bytes to lend. Those who wait are served in their order, so that nobody starves."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_take(self, amount: int) -> bool:
        """Take now, if that is possible and nobody waits."""
        amount = min(amount, self._total)
        if self._queue or amount > self._free:
            return False
        self._free -= amount
        return True

    async def take(self, amount: int) -> None:
        """Wait for room. More than the whole budget waits until all of it is free."""
        if self.try_take(amount):
            return
        turn = asyncio.get_running_loop().create_future()
        entry = (min(amount, self._total), turn)
        self._queue.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(amount)
            else:
                with contextlib.suppress(ValueError):  # passed over already
                    self._queue.remove(entry)
                self._serve()
            raise

    def give(self, amount: int) -> None:
        """Give back what was taken."""
        self._free += min(amount, self._total)
        self._serve()

    def _serve(self) -> None:
        while self._queue:
            amount, turn = self._queue[0]
            if amount > self._free and not turn.cancelled():
                return
            self._queue.popleft()
            # One that was cancelled and has not run since is still in the queue.
            if not turn.cancelled():
                self._free -= amount
                turn.set_result(None)
