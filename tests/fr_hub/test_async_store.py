"""The asynchronous face of the store: retries, and what is awaited before an acknowledgement."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId

from common.errors import StoreError, StoreUnavailable, UploadLost
from common.runtime.logger import AvailabilityLog, get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, Leased, NewScan
from common.store.unit_parts import hub_parts
from fr_hub.async_store import AsyncStore
from tests.factories import inside, make_reports, make_scan, make_upload
from tests.recorders import Recording


class Audit(Recording):
    """An audit trail that becomes durable when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.durable: Future[None] = Future()
        self.flushed = threading.Event()

    def flush(self) -> Future[None]:  # type: ignore[override]
        """What the caller waits for."""
        self.flushed.set()
        return self.durable


@pytest.fixture
def audit() -> Audit:
    return Audit()


@pytest.fixture
def recorded(store: DBManager, audit: Audit) -> DBManager:
    return store.recorded_by(audit)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
def async_store(recorded: DBManager, audit: Audit, executor: ThreadPoolExecutor) -> AsyncStore:
    availability = AvailabilityLog(get_log(), "MongoDB")
    return AsyncStore(hub_parts(recorded), executor, audit, availability)  # type: ignore[arg-type]


def failing(
    method: Callable[..., Any], times: int, error: type[StoreError] = StoreUnavailable
) -> Callable[..., Any]:
    """The method, which fails this many times first."""
    left = iter(range(times))

    def call(*args: Any, **kwargs: Any) -> Any:
        if next(left, None) is not None:
            raise error("no primary")
        return method(*args, **kwargs)

    return call


async def not_before(audit: Audit, waiting: Awaitable[Any]) -> Any:
    """The result, which does not come before the audit trail is durable."""
    task = asyncio.ensure_future(waiting)
    assert await asyncio.to_thread(audit.flushed.wait, 10)
    done, _ = await asyncio.wait([task], timeout=0.1)
    assert not done
    audit.durable.set_result(None)
    return await task


def test_scans_are_recorded_before_their_outcome_is_returned(
    async_store: AsyncStore, audit: Audit
) -> None:
    new = NewScan(*make_scan())
    written = []

    async def main() -> None:
        adding = async_store.add_scans([new], lambda: written.append(audit.flushed.is_set()))
        assert await not_before(audit, adding) == [Added.STORED]

    asyncio.run(main())
    assert written == [False], "the next batch may be written while this one is recorded"


def test_written_is_called_although_the_write_is_cancelled(
    async_store: AsyncStore, recorded: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, written = threading.Event(), []
    monkeypatch.setattr(recorded.scans, "add", lambda _: gate.wait(10))

    async def main() -> None:
        adding = asyncio.create_task(async_store.add_scans([], lambda: written.append(True)))
        await asyncio.sleep(0)
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
        gate.set()

    asyncio.run(main())
    assert written == [True]


def test_the_end_of_an_upload_is_recorded_before_it_returns(
    async_store: AsyncStore, store: DBManager, audit: Audit
) -> None:
    upload, _ = make_upload(store)
    store.scans.add([upload])
    blob = upload.blob
    assert blob is not None

    async def main() -> None:
        await not_before(audit, async_store.end_upload(upload.scan.key, blob, "pacs-1"))

    asyncio.run(main())
    assert "unsealed" not in (inside(store).find_one({}) or {})


def test_an_upload_that_was_swept_is_lost_at_once(async_store: AsyncStore, audit: Audit) -> None:
    with pytest.raises(UploadLost):
        asyncio.run(async_store.end_upload("nobody", ObjectId(), "pacs-1"))
    assert not audit.flushed.is_set()


def test_calls_are_retried_while_mongodb_is_unavailable_and_an_outage_is_logged_once(
    async_store: AsyncStore,
    recorded: DBManager,
    store: DBManager,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    blob = ObjectId()
    monkeypatch.setattr(recorded.uploads, "begin", failing(recorded.uploads.begin, 3))
    asyncio.run(async_store.begin_upload(blob))
    assert inside(store, Collection.UPLOADS).count_documents({"_id": blob}) == 1
    logged = capfd.readouterr().out
    assert logged.count("MongoDB is unreachable, retrying") == 1
    assert logged.count("connected to MongoDB") == 1


def test_a_call_that_nobody_needs_any_more_is_not_retried(
    async_store: AsyncStore, recorded: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded.uploads, "begin", failing(recorded.uploads.begin, 1))
    with pytest.raises(StoreUnavailable):
        asyncio.run(async_store.begin_upload(ObjectId(), lambda: True))


def test_an_error_that_a_retry_does_not_cure_is_raised_at_once(
    async_store: AsyncStore, recorded: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded.outbox, "mark_sent", failing(print, 1, StoreError))
    with pytest.raises(StoreError, match="no primary"):
        asyncio.run(async_store.mark_sent(["scan"], 1, "pacs-1"))


def test_a_call_of_a_lease_outlives_its_cancellation_and_is_handed_to_the_caller(
    async_store: AsyncStore,
    recorded: DBManager,
    store: DBManager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [report] = make_reports(store, 1)
    gate, lease = threading.Event(), recorded.outbox.lease

    def slow(*args: Any) -> Leased:
        assert gate.wait(10)
        return lease(*args)

    monkeypatch.setattr(recorded.outbox, "lease", slow)

    async def main() -> Leased:
        calls: asyncio.Queue[asyncio.Future[Leased]] = asyncio.Queue()
        leasing = asyncio.create_task(async_store.lease_reports("pacs-1", 10, 60, calls.put_nowait))
        call = await calls.get()
        leasing.cancel()
        await asyncio.gather(leasing, return_exceptions=True)
        gate.set()
        return await call

    assert [late.key for late in asyncio.run(main())] == [report.key]


def test_retention_is_applied_a_page_at_a_time(
    async_store: AsyncStore, recorded: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = ["first", "second"]
    monkeypatch.setattr(recorded.retention, "purge", lambda *_, **__: iter(pages))

    async def main() -> list[Any]:
        return [page async for page in async_store.purge(30, include_report=True)]

    assert asyncio.run(main()) == pages
