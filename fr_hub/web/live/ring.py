"""The retained events of a process, and their numbers.

The number of a batch of events is its time in microseconds by the server's clock, or one more than
that of the batch before, if that is larger. So each process finds the same numbers, whatever it
began to read with, and a position that one process told is known to all. Where the clock went back
just before what a process read first, numbers may differ; then a position is unknown there, and its
client is told ``reset``.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from common.store.feed_documents import Change

RETAINED_MAX = 50_000
"""The most changes of single things that are retained."""

REPLAYED_MAX = 10_000
"""A client that is further behind reads everything again with less effort."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were told together.

    Args:
        n: their number.
        before: that of the batch before.
        at_us: when it was, microseconds since 1970.
        changes: what changed.
    """

    n: int
    before: int
    at_us: int
    changes: Sequence[Change]

    @property
    def size(self) -> int:
        """How many things changed."""
        return sum(len(change.keys) for change in self.changes)


class Ring:
    """The retained batches."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._numbers: deque[int] = deque()
        self._size = 0
        self._barrier = -1
        self.last = 0
        """The number of the last batch; 0: there was none."""

    def add(self, batch: Batch) -> None:
        """Retain a batch; the oldest ones make room."""
        self._batches.append(batch)
        self._numbers.append(batch.n)
        self._size += batch.size
        self.last = batch.n
        while self._size > RETAINED_MAX and len(self._batches) > 1:
            self._size -= self._batches.popleft().size
            self._numbers.popleft()

    def lose(self) -> None:
        """Something before now was lost: who comes with a position of up to now is told so."""
        self._barrier = self.last

    def clear(self) -> None:
        """Forget everything: what is read now may not follow what was read before."""
        self._batches.clear()
        self._numbers.clear()
        self._size = 0
        self._barrier = -1
        self.last = 0

    def after(self, position: int) -> list[Batch] | None:
        """The batches after a position; None: it is unknown, too far back, or something was lost
        since."""
        if position == self.last and position > self._barrier:
            return []
        if position <= self._barrier:
            return None
        found = bisect_left(self._numbers, position)
        if found == len(self._numbers) or self._numbers[found] != position:
            return None
        batches = list(islice(self._batches, found + 1, None))
        return batches if sum(batch.size for batch in batches) <= REPLAYED_MAX else None

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)


def numbered(before: int, at_us: int) -> int:
    """The number of a batch that follows the one with the number ``before``."""
    return max(before + 1, at_us)
