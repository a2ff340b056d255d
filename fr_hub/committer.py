"""Group commit: scans that arrive together, on any connections, become durable together.

One durable write at a time costs a wait for the journal each; a thousand at once cost one. The
batch is what has arrived while the last one was written: one scan when idle, many when behind.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from tenacity import AsyncRetrying

from common.audit.writer import AuditWriter
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import AvailabilityLog
from common.runtime.retry import async_retrying
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan

IN_PROGRESS_AT_ONCE = 2
"""Batches being written: one waits for the journal while the next is built."""

Outcome = Added | StoreError
Settle = Callable[[Sequence[tuple[NewScan, Outcome]]], None]

WITHDRAWN = StoreError("nobody waits for it any more")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A scan that waits to be durable, whether anybody still wants it (its connection is open),
    and whom to tell: all of a batch with the same ``settle`` are told in one call."""

    new: NewScan
    wanted: Callable[[], bool]
    settle: Settle


class Committer:
    """Takes scans, writes them in batches, tells their outcome.

    While MongoDB is away it keeps what it has and tries again, with backoff and full jitter; what
    it has is bounded by the windows of the connections.
    """

    def __init__(
        self,
        store: DBManager,
        executor: Executor,
        availability: AvailabilityLog,
        audit: AuditWriter,
        batch: int,
    ) -> None:
        self._store = store
        self._audit = audit
        self._executor = executor
        self._availability = availability
        self._batch = batch
        self._waiting: list[Waiting] = []
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_PROGRESS_AT_ONCE)

    def submit(self, item: Waiting) -> None:
        """Have this scan written; its outcome is told on the loop."""
        self._waiting.append(item)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                await self._slots.acquire()
                batch = self._waiting[: self._batch]
                del self._waiting[: len(batch)]
                if not self._waiting:
                    self._wake.clear()
                # While MongoDB is away, senders that gave up and came back send all again: what
                # nobody waits for any more must not pile up.
                wanted = [item for item in batch if item.wanted()]
                self._tell([(item, WITHDRAWN) for item in batch if not item.wanted()])
                tasks.create_task(self._write(wanted))

    async def _write(self, batch: list[Waiting]) -> None:
        try:
            outcomes = await self._add([item.new for item in batch])
        finally:
            self._slots.release()
        # The store has noted what became of them: durable before anybody is told.
        await asyncio.wrap_future(self._audit.flush())
        self._tell(list(zip(batch, outcomes, strict=True)))

    @staticmethod
    def _tell(results: list[tuple[Waiting, Outcome]]) -> None:
        told: dict[int, tuple[Settle, list[tuple[NewScan, Outcome]]]] = {}
        for item, outcome in results:
            told.setdefault(id(item.settle), (item.settle, []))[1].append((item.new, outcome))
        for settle, outcomes in told.values():
            settle(outcomes)

    async def _add(self, new: list[NewScan]) -> Sequence[Outcome]:
        loop = asyncio.get_running_loop()
        try:
            async for attempt in patiently(self._availability):
                with attempt:
                    outcome = await loop.run_in_executor(self._executor, self._store.scans.add, new)
            self._availability.available()
        except StoreError as error:
            if len(new) == 1:
                return [error]
            # One of them may be what MongoDB does not take: the others must not share its fate.
            return [(await self._add([one]))[0] for one in new]
        return outcome


def patiently(
    availability: AvailabilityLog, until: Callable[[], bool] = lambda: False
) -> AsyncRetrying:
    """Try again while MongoDB is away, until ``until()``, saying so once."""
    return async_retrying(StoreUnavailable, availability.unavailable, until)
