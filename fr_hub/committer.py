"""Group commit: scans that arrive together, on any connections, become durable together.

A durable write waits for the journal, whether it holds one scan or a thousand. So a batch is
whatever arrived while the previous one was being written: one scan when idle, many under load.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.errors import StoreError
from common.store.documents import NewScan
from fr_hub.async_store import AsyncStore, ScanOutcome

CONCURRENT_BATCHES = 2
"""Batches being written: one waits for the journal while the next is built."""

OnOutcome = Callable[[Sequence[tuple[NewScan, ScanOutcome]]], None]

WITHDRAWN = StoreError("the connection that sent the scan has ended")


@dataclass(frozen=True, slots=True)
class Submission:
    """A scan to store.

    Args:
        new: the scan.
        wanted: whether its sender still waits for the answer; a scan that is no longer wanted when
            its turn comes is not written.
        on_outcome: called on the loop with the outcome. Submissions of a batch with the same
            ``on_outcome`` share one call.
    """

    new: NewScan
    wanted: Callable[[], bool]
    on_outcome: OnOutcome


class Committer:
    """Writes submitted scans in batches and reports their outcomes.

    While MongoDB is unavailable it keeps what it has and retries. The windows of the connections
    bound how much that is.
    """

    def __init__(self, store: AsyncStore, batch: int) -> None:
        self._store = store
        self._batch = batch
        self._queue: list[Submission] = []
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(CONCURRENT_BATCHES)

    def submit(self, submission: Submission) -> None:
        """Queue a scan to be written."""
        self._queue.append(submission)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                await self._slots.acquire()
                batch = self._queue[: self._batch]
                del self._queue[: len(batch)]
                if not self._queue:
                    self._wake.clear()
                # While MongoDB is unavailable, senders give up, reconnect and send everything
                # again: scans that nobody waits for any more must not pile up.
                wanted = [item for item in batch if item.wanted()]
                _report([(item, WITHDRAWN) for item in batch if not item.wanted()])
                tasks.create_task(self._write(wanted))

    async def _write(self, batch: list[Submission]) -> None:
        outcomes = await self._store.add_scans([item.new for item in batch], self._slots.release)
        _report(list(zip(batch, outcomes, strict=True)))


def _report(results: list[tuple[Submission, ScanOutcome]]) -> None:
    calls: dict[int, tuple[OnOutcome, list[tuple[NewScan, ScanOutcome]]]] = {}
    for item, outcome in results:
        _, outcomes = calls.setdefault(id(item.on_outcome), (item.on_outcome, []))
        outcomes.append((item.new, outcome))
    for on_outcome, outcomes in calls.values():
        on_outcome(outcomes)
