"""Fr-HUB's asynchronous face of the store.

PyMongo blocks, so each call runs in a thread pool. Calls that must succeed are retried while
MongoDB is unavailable. Calls after which something is acknowledged return only when what they
recorded is durable in the audit trail.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from bson import ObjectId
from tenacity import AsyncRetrying

from common.audit.writer import AuditWriter
from common.domain.scan import BrainScan
from common.domain.tenant import Tenant
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import AvailabilityLog
from common.runtime.retry import async_retrying
from common.store.documents import Added, Leased, NewScan
from common.store.labels import StoredLabels
from common.store.notices import FailureNotice
from common.store.retention import Due
from common.store.unit_parts import HubStore

Args = TypeVarTuple("Args")
R = TypeVar("R")

ScanOutcome = Added | StoreError
"""What became of a scan: stored, known, in conflict, or why it could not be stored."""


class Unstorable(StoreError):
    """Storing a scan raised an error that nobody expects, so a retry would raise it again."""

    def __init__(self, error: Exception) -> None:
        # Its text may quote what it met.
        super().__init__(f"Fr-HUB cannot store this scan ({type(error).__name__})")


Leasing = asyncio.Future[Leased]

Until = Callable[[], bool]


def never() -> bool:
    """Retry without end."""
    return False


class AsyncStore:
    """The parts of the store that Fr-HUB uses, as coroutines. For one event loop.

    Args:
        store: the store, recorded by ``audit``.
        executor: the threads for its calls.
        audit: the audit trail to wait for.
        availability: logs when MongoDB becomes unavailable and available again.

    Raises (all methods):
        StoreUnavailable: MongoDB is unavailable and the method does not retry, or no longer.
        StoreError: MongoDB answered with an error that a retry does not cure.
    """

    def __init__(
        self,
        store: HubStore,
        executor: Executor,
        audit: AuditWriter,
        availability: AvailabilityLog,
    ) -> None:
        self._store = store
        self._executor = executor
        self._audit = audit
        self._availability = availability

    # --- scans -----------------------------------------------------------------------------------

    async def add_scans(
        self, new: Sequence[NewScan], written: Callable[[], None]
    ) -> Sequence[ScanOutcome]:
        """Store scans; returns the outcome of each, durable and recorded. Retries.

        ``written`` is called after the writes and before the wait for the audit trail: the next
        batch may be written during that wait.
        """
        try:
            outcomes = await self._add(new)
        finally:
            written()
        try:
            await self._recorded()
        except StoreUnavailable:
            raise
        except StoreError as error:  # refused: no scan may be acknowledged, its sender retries
            return [error] * len(new)
        return outcomes

    async def _add(self, new: Sequence[NewScan]) -> Sequence[ScanOutcome]:
        try:
            return await self._retry(never, self._store.scans.add, new)
        except Exception as error:  # noqa: BLE001 - one scan must not fail the others
            if len(new) == 1:
                return [error if isinstance(error, StoreError) else Unstorable(error)]
            # One of them may be unacceptable to MongoDB; the others must not fail with it.
            return [(await self._add([one]))[0] for one in new]

    async def known(self, scan: BrainScan) -> Added | None:
        """What becomes of a scan that is stored already (``Scans.known``), recorded. Retries."""
        outcome = await self._retry(never, self._store.scans.known, scan)
        if outcome is not None:
            await self._recorded()
        return outcome

    async def begin_upload(self, blob: ObjectId, until: Until = never) -> None:
        """Record that the upload of a large scan begins. Retries until ``until()`` is true."""
        await self._retry(until, self._store.uploads.begin, blob)

    async def add_chunks(
        self,
        blob: ObjectId,
        first: int,
        pieces: Sequence[bytes | memoryview],
        until: Until = never,
    ) -> None:
        """Store consecutive chunks of a blob. Retries until ``until()`` is true."""
        await self._retry(until, self._store.uploads.add_chunks, blob, first, pieces)

    async def touch_upload(self, blob: ObjectId, until: Until = never) -> None:
        """Record that an upload is still being written. Retries until ``until()`` is true.

        Raises:
            UploadLost: a sweep took it, so the scan must be sent again.
        """
        await self._retry(until, self._store.uploads.touch, blob)

    async def end_upload(self, key: str, blob: ObjectId, pacs: str) -> None:
        """Seal the upload of a stored scan, and record that the scan was received. Retries.

        Raises:
            UploadLost: a sweep deleted the chunks, so the scan must be sent again.
        """
        await self._retry(never, self._store.uploads.end, key, blob, pacs)
        await self._recorded()

    async def abandon_upload(self, blob: ObjectId) -> None:
        """Delete a blob that no scan refers to. Does not retry: a sweep repeats it."""
        await self._call(self._store.uploads.abandon, blob)

    # --- reports ---------------------------------------------------------------------------------

    async def lease_reports(
        self,
        pacs: str,
        limit: int,
        lease_s: float,
        calling: Callable[[Leasing], None],
        *sizes_and_keys: Any,
    ) -> Leased:
        """Lease reports that are due for this Fr-PACS (``Outbox.lease``). Retries.

        A cancelled call still finishes in its thread. ``calling`` is handed each call before it is
        awaited, so that the caller can give back what a late one has leased.
        """
        lease = self._store.outbox.lease
        return await self._lease(calling, lease, pacs, limit, lease_s, *sizes_and_keys)

    async def lease_named(
        self, pacs: str, key: str, lease_s: float, calling: Callable[[Leasing], None], *sizes: Any
    ) -> Leased:
        """Lease the report that a notification named (``Outbox.lease_named``). As above."""
        lease = self._store.outbox.lease_named
        return await self._lease(calling, lease, pacs, key, lease_s, *sizes)

    async def _lease(
        self,
        calling: Callable[[Leasing], None],
        method: Callable[[*Args], Leased],
        *args: *Args,
    ) -> Leased:
        async for attempt in self._retrying(never):
            with attempt:
                call = self._call(method, *args)
                calling(call)
                found = await asyncio.shield(call)
        self._availability.available()
        return found

    async def mark_sent(
        self, keys: Sequence[str], revision: int, pacs: str, until: Until = never
    ) -> None:
        """Mark reports of this revision as sent, recorded first. Retries until ``until()`` is
        true."""
        await self._retry(until, self._store.outbox.mark_sent, keys, revision, pacs)

    async def request_reports(self, keys: Sequence[str], pacs: str) -> None:
        """Make reports due again that this Fr-PACS asks for (``ReportRequests.request``), recorded.
        Retries."""
        await self._retry(never, self._store.report_requests.request, keys, pacs)
        await self._recorded()

    async def postpone(self, keys: Sequence[str], delay_s: float) -> None:
        """Make reports due again in ``delay_s`` seconds. Does not retry: their lease ends."""
        await self._call(self._store.outbox.postpone, keys, delay_s)

    async def release(self, keys: Sequence[str]) -> None:
        """Make reports due at once, whose try does not count. Does not retry: their lease ends."""
        await self._call(self._store.outbox.release, keys)

    async def mark_undeliverable(self, key: str, cause: str, revision: int) -> bool:
        """Give up a report; whether it was still waiting. Does not retry: it comes up again."""
        return await self._call(self._store.undeliverable.mark, key, cause, revision)

    async def lease_notices(self, pacs: str, limit: int, lease_s: float) -> list[FailureNotice]:
        """Lease notices of failed scans (``Notices.lease``). Retries."""
        return await self._retry(never, self._store.notices.lease, pacs, limit, lease_s)

    async def mark_notices_sent(self, keys: Sequence[str], pacs: str, until: Until = never) -> None:
        """Remove notices that were acknowledged. Retries until ``until()`` is true."""
        await self._retry(until, self._store.notices.mark_sent, keys, pacs)

    async def postpone_notices(self, keys: Sequence[str], delay_s: float) -> None:
        """Make notices due again in ``delay_s`` seconds. Does not retry: their lease ends."""
        await self._call(self._store.notices.postpone, keys, delay_s)

    async def picture(self, key: str, picture_hash: str, largest: int) -> bytes | None:
        """The picture of a report, or None if it was removed or is too large. Retries."""
        return await self._retry(never, self._store.pictures.get, key, picture_hash, largest)

    async def labels(self, pacs: str, key: str, revision: int) -> StoredLabels | None:
        """The label maps of a revision of a report of this Fr-PACS (``LabelReader.find``).
        Retries."""
        owner = Tenant(pacs, frozenset({pacs}), frozenset())
        return await self._retry(never, self._store.labels.find, owner, key, revision)

    async def packed_labels(self, labels: StoredLabels, start: int, end: int) -> bytes:
        """A part of packed label maps (``LabelReader.packed``). Retries."""
        return await self._retry(never, self._store.labels.packed, labels, start, end)

    # --- capacity and housekeeping: repeated anyway, so never retried ----------------------------

    async def count_to_do_by_pacs(self, at_most: int) -> dict[str, int]:
        """The number of new scans that are ``'To Do'``, by Fr-PACS; counting stops at
        ``at_most``."""
        return await self._call(self._store.capacity.count_to_do_by_pacs, at_most)

    async def orphans(self, known: Sequence[str]) -> dict[str, int]:
        """Waiting reports of Fr-PACS that are not among these (``Outbox.orphans``)."""
        return await self._call(self._store.outbox.orphans, known)

    async def disk_free(self) -> int | None:
        """Free bytes where MongoDB keeps its data, or None if it does not say."""
        return await self._call(self._store.capacity.disk_free)

    async def sweep_uploads(self) -> int:
        """Delete the voxels of interrupted uploads; returns how many uploads those were."""
        return await self._call(self._store.uploads.sweep)

    async def mark_orphan_chunks(self) -> int:
        """Leave chunks that nobody refers to to the next sweep; returns how many blobs."""
        return await self._call(self._store.orphan_chunks.mark)

    async def sweep_orphan_labels(self) -> int:
        """Delete label maps that no report names; returns of how many claims they were."""
        return await self._call(self._store.orphan_labels.sweep)

    async def reconcile_failed(self) -> list[str]:
        """Set failed scans to ``'Done'`` that have a report; returns their ids."""
        return await self._call(self._store.reconciliation.reconcile_failed)

    async def sweep_erased(self) -> int:
        """Complete interrupted erasures and delete late reports of erased scans; returns the number
        of completed erasures."""
        return await self._call(self._store.erasure.sweep)

    async def purge(
        self, days: float, *, include_report: bool, failed: bool = False
    ) -> AsyncIterator[Due]:
        """Apply retention; yields each page that was purged."""
        pages = self._store.retention.purge(days, include_report=include_report, failed=failed)

        def next_page() -> Due | None:
            return next(pages, None)

        while (page := await self._call(next_page)) is not None:
            yield page

    # --- how calls are made ----------------------------------------------------------------------

    def _call(self, method: Callable[[*Args], R], *args: *Args) -> "asyncio.Future[R]":
        return asyncio.get_running_loop().run_in_executor(self._executor, method, *args)

    async def _retry(self, until: Until, method: Callable[[*Args], R], *args: *Args) -> R:
        async for attempt in self._retrying(until):
            with attempt:
                result = await self._call(method, *args)
        self._availability.available()
        return result

    def _retrying(self, until: Until) -> AsyncRetrying:
        return async_retrying(StoreUnavailable, self._availability.unavailable, until)

    async def _recorded(self) -> None:
        """Wait until what the store has noted in the audit trail is durable."""
        await asyncio.wrap_future(self._audit.flush())
