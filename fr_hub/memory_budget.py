"""Bounds the memory that scans and reports in transit take, over all connections."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Collection

from fr_hub.shares import Shares

Entry = tuple[str, int, asyncio.Future[None]]


class MemoryBudget:
    """A number of bytes to share, of which each owner is guaranteed a part (``Shares``).

    Whoever waits is served in order, so that nobody starves; only a request within its owner's
    share overtakes those of others. A request for more than an owner can ever have takes all of
    that. For one event loop.

    Args:
        total: bytes.
        owners: the names of the Fr-PACS that have a share.
    """

    def __init__(self, total: int, owners: Collection[str] = ()) -> None:
        self._shares = Shares(total, owners)
        self._total = total
        self._queue: deque[Entry] = deque()

    @property
    def free(self) -> int:
        """Bytes that nobody has taken."""
        return self._total - self._shares.total_used

    def share(self, owner: str) -> int:
        """Bytes that nobody but this owner can take."""
        return self._shares.share(owner)

    def try_take(self, amount: int, owner: str = "") -> bool:
        """Take this many bytes now if they are free and nobody waits; whether they were taken."""
        amount = self._bounded(amount, owner)
        if self._queue or not self._shares.fits(owner, amount):
            return False
        self._shares.take(owner, amount)
        return True

    async def take(self, amount: int, owner: str = "") -> None:
        """Wait until this many bytes are free, and take them."""
        if self.try_take(amount, owner):
            return
        turn = asyncio.get_running_loop().create_future()
        entry = (owner, self._bounded(amount, owner), turn)
        self._queue.append(entry)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(amount, owner)
            else:
                with contextlib.suppress(ValueError):  # ``_serve`` has removed it
                    self._queue.remove(entry)
                self._serve()
            raise

    def release(self, amount: int, owner: str = "") -> None:
        """Return bytes that were taken."""
        self._shares.release(owner, self._bounded(amount, owner))
        self._serve()

    @contextlib.asynccontextmanager
    async def held(self, amount: int, owner: str) -> AsyncIterator[None]:
        """Hold this many bytes during the block."""
        await self.take(amount, owner)
        try:
            yield
        finally:
            self.release(amount, owner)

    def _bounded(self, amount: int, owner: str) -> int:
        return min(amount, self._shares.most(owner))

    def _serve(self) -> None:
        if not self._queue:
            return
        waiting: deque[Entry] = deque()
        blocked: set[str] = set()  # each owner's requests keep their order
        while self._queue:
            owner, amount, turn = entry = self._queue.popleft()
            if turn.cancelled():  # queued until its task runs again
                continue
            # A request that waits for the common part keeps later ones from taking it first.
            allowed = self._shares.fits_share if waiting else self._shares.fits
            if owner not in blocked and allowed(owner, amount):
                self._shares.take(owner, amount)
                turn.set_result(None)
            else:
                blocked.add(owner)
                waiting.append(entry)
        self._queue = waiting
