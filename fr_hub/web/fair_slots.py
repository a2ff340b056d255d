"""What one user may have under way at once, so that the others always have their share.

A user who starts something beside others gets less than half of what these leave, and never more
than ``most``: the first one that comes later finds something free, whoever is before them. What is
over that waits, in the user's own line, and the user with the least under way is next.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator

from fr_hub.web.problems import Problem


class FairSlots:
    """Slots that users share. For one event loop.

    Args:
        name: of the limit, as the users are told.
        capacity: what may be under way at once, of all users.
        most: the same of one user.
        waiting: how many requests of one user may wait.
        wait_s: how long one waits, seconds.
    """

    def __init__(
        self, name: str, capacity: int, most: int, waiting: int, wait_s: float = 10.0
    ) -> None:
        self.name = name
        self.capacity = capacity
        self.most = most
        self._waiting_max = waiting
        self._wait_s = wait_s
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def running(self) -> dict[str, int]:
        """What each user has under way."""
        return dict(self._running)

    @contextlib.asynccontextmanager
    async def hold(self, user: str) -> AsyncIterator[None]:
        """Hold a slot during the block.

        Raises:
            Problem: 429, too much of this user waits, or has waited too long.
        """
        await self._enter(user)
        try:
            yield
        finally:
            self._leave(user)

    async def _enter(self, user: str) -> None:
        line = self._waiting.get(user)
        if not line and self._may(user):
            self._running[user] += 1
            return
        if line is None:
            line = self._waiting[user] = deque()
        if len(line) >= self._waiting_max:
            raise self._too_many()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave(user)  # it got a slot at this moment
            else:
                self._forget(user, turn)
            if isinstance(error, TimeoutError):
                raise self._too_many() from None
            raise

    def _leave(self, user: str) -> None:
        self._running[user] -= 1
        if not self._running[user]:
            del self._running[user]
        while (following := self._next()) is not None:
            # Behind the others: among as many under way, who waits longest is next.
            line = self._waiting.pop(following)
            turn = line.popleft()
            if line:
                self._waiting[following] = line
            if not turn.done():
                self._running[following] += 1
                turn.set_result(None)

    def _next(self) -> str | None:
        """Of the users that wait and may go on, the one with the least under way."""
        able = [user for user in self._waiting if self._may(user)]
        return min(able, key=lambda user: self._running[user], default=None)

    def _may(self, user: str) -> bool:
        mine = self._running[user]
        others = self._running.total() - mine
        return mine < self.most and 2 * mine < self.capacity - others

    def _forget(self, user: str, turn: asyncio.Future[None]) -> None:
        line = self._waiting.get(user)
        if line is not None:
            with contextlib.suppress(ValueError):
                line.remove(turn)
            if not line:
                del self._waiting[user]

    def _too_many(self) -> Problem:
        return Problem(
            429,
            "too_many_at_once",
            f"You have too many requests under way at once (limit '{self.name}': {self.most}, or "
            "fewer while other users are active); wait for the answers, and send fewer at once.",
            {"Retry-After": "2"},
        )
