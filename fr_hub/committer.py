"""Group commit: scans that arrive together, on any connections, become durable together.

A durable write waits for the journal, whether it holds one scan or a thousand. So a batch is
whatever arrived while the previous one was being written: one scan when idle, many under load.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from common.errors import StoreError
from common.runtime.logger import Log
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

    def __init__(self, store: AsyncStore, batch: int, log: Log) -> None:
        self._store = store
        self._log = log
        self._batch = batch
        self._queues: dict[str, deque[Submission]] = {}  # by Fr-PACS; none is empty
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(CONCURRENT_BATCHES)

    def submit(self, submission: Submission) -> None:
        """Queue a scan to be written."""
        self._queues.setdefault(submission.new.scan.pacs, deque()).append(submission)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                await self._slots.acquire()
                batch = self._next_batch()
                if not self._queues:
                    self._wake.clear()
                # While MongoDB is unavailable, senders give up, reconnect and send everything
                # again: scans that nobody waits for any more must not pile up.
                wanted = [item for item in batch if item.wanted()]
                self._report([(item, WITHDRAWN) for item in batch if not item.wanted()])
                tasks.create_task(self._write(wanted))

    def _next_batch(self) -> list[Submission]:
        """The next scans to write, from each Fr-PACS in turn, in the order in which each came."""
        batch: list[Submission] = []
        while self._queues and len(batch) < self._batch:
            share = -(-(self._batch - len(batch)) // len(self._queues))
            for pacs, queue in list(self._queues.items()):
                count = min(share, len(queue), self._batch - len(batch))
                batch += [queue.popleft() for _ in range(count)]
                # To the end: the next batch begins with another one.
                del self._queues[pacs]
                if queue:
                    self._queues[pacs] = queue
        return batch

    async def _write(self, batch: list[Submission]) -> None:
        # Each scan has its outcome. An error here is the audit trail's, and ends Fr-HUB.
        outcomes = await self._store.add_scans([item.new for item in batch], self._slots.release)
        self._report(list(zip(batch, outcomes, strict=True)))

    def _report(self, results: list[tuple[Submission, ScanOutcome]]) -> None:
        for on_outcome, outcomes in _by_sender(results):
            try:
                on_outcome(outcomes)
            except Exception as error:  # noqa: BLE001 - one sender's, the others get their answers
                self._log.error(
                    "could not send acknowledgements; the Fr-PACS will send these scans again",
                    reason=type(error).__name__,
                )


def _by_sender(
    results: list[tuple[Submission, ScanOutcome]],
) -> Iterator[tuple[OnOutcome, list[tuple[NewScan, ScanOutcome]]]]:
    """The outcomes of each sender, with the function that takes them."""
    calls: dict[int, tuple[OnOutcome, list[tuple[NewScan, ScanOutcome]]]] = {}
    for item, outcome in results:
        _, outcomes = calls.setdefault(id(item.on_outcome), (item.on_outcome, []))
        outcomes.append((item.new, outcome))
    yield from calls.values()
