"""How fast a user may ask for what was told before: a replay is made for one client alone, so one
that asks again and again would hold up all others."""

import asyncio
import time
from collections.abc import Callable

BURST = 50_000
"""Changes that a user may have replayed at once: many streams that connect again together."""

PER_S = 2_000
"""Changes that a user may have replayed each second after that."""

LEAST = 50
"""What a replay counts for at least, however few changes it has."""

_KEPT = 1_000


class ReplayPace:
    """Lets each user wait for replays that the others should not pay for. On one loop.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free_at: dict[str, float] = {}

    def wait_s(self, user: str) -> float:
        """How long this user waits for the next replay, seconds."""
        return max(0.0, self._free_at.get(user, 0.0) - self._clock() - BURST / PER_S)

    def count(self, user: str, changes: int) -> None:
        """Note that this user got a replay of so many changes."""
        now = self._clock()
        if len(self._free_at) >= _KEPT:
            self._free_at = {name: at for name, at in self._free_at.items() if at > now}
        begun = max(now, self._free_at.get(user, 0.0))
        self._free_at[user] = begun + max(LEAST, changes) / PER_S

    async def turn(self, user: str) -> None:
        """Wait until this user may have another replay."""
        while (seconds := self.wait_s(user)) > 0:  # noqa: ASYNC110 - of time alone
            await asyncio.sleep(seconds)
