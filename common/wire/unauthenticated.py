"""A bounded set of connections whose handshake is not complete."""

from typing import Generic, TypeVar

T = TypeVar("T")


class UnauthenticatedConnections(Generic[T]):
    """At most ``limit`` connections; when it is full, a new one replaces the oldest. So a crowd
    that connects and says nothing cannot keep a legitimate peer out.

    Not thread-safe.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_age: dict[T, None] = {}

    def __len__(self) -> int:
        return len(self._by_age)

    def add(self, connection: T) -> T | None:
        """Add a connection; returns the one that it replaces, which the caller ends."""
        oldest = next(iter(self._by_age)) if len(self._by_age) >= self._limit else None
        if oldest is not None:
            del self._by_age[oldest]
        self._by_age[connection] = None
        return oldest

    def discard(self, connection: T) -> None:
        """Forget a connection: it is authenticated, or it ended."""
        self._by_age.pop(connection, None)
