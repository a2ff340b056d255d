"""One client that watches: what it has not read yet."""

import asyncio
from collections import deque

from fr_hub.web.live.messages import Message

UNREAD_MAX = 1024 * 1024
"""Bytes that a client may leave unread before it is let go."""


class Watcher:
    """A queue of messages with one reader, on one loop.

    Args:
        user: whose it is.
    """

    def __init__(self, user: str) -> None:
        self.user = user
        self._loop = asyncio.get_running_loop()
        self._messages: deque[Message] = deque()
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None
        self.ended: asyncio.Future[bool] = self._loop.create_future()
        """Done when nothing more comes: True if the client did not read and is let go."""

    def put(self, message: Message) -> None:
        """Send a message; a client that does not read is let go."""
        if self.ended.done():
            return
        if self._size > UNREAD_MAX:  # whatever this one has: a replay may be larger
            self.end(slow=True)
            return
        self._size += message.size
        self._messages.append(message)
        self._wake()

    def end(self, *, slow: bool = False) -> None:
        """Let the client go. Idempotent."""
        if not self.ended.done():
            self.ended.set_result(slow)
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self) -> list[Message]:
        """All messages that wait; none: it has ended."""
        while not self._messages and not self.ended.done():
            self._waiting = self._loop.create_future()
            await self._waiting
        if self.ended.done():
            return []
        found = list(self._messages)
        self._messages.clear()
        self._size = 0
        return found
