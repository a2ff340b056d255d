"""Group commit on a real MongoDB: what came together is written together, each is told its own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from common.audit.writer import AuditWriter
from common.domain.states import ReportGenerated
from common.errors import StoreError
from common.runtime.logger import get_log
from common.store.documents import Added, NewScan
from fr_hub.committer import IN_PROGRESS_AT_ONCE, WITHDRAWN, Committer, Outcome, Waiting
from tests.factories import make_scan, own_mongod
from tests.fr_hub.stores import GatedStore, availability, gated, threads


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[GatedStore]:
    with gated(mongodb_uri, database) as store:
        yield store


class Told:
    """Who is told outcomes: each call, and how many are still to come."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Outcome]] = []
        self._changed = asyncio.Event()

    def settle(self, results: Sequence[tuple[NewScan, Outcome]]) -> None:
        """Be told."""
        self.calls.append({new.scan.scan_id: outcome for new, outcome in results})
        self._changed.set()

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """All that was told."""
        return {name: outcome for call in self.calls for name, outcome in call.items()}

    async def of(self, *news: NewScan) -> list[Outcome]:
        """Wait for the outcomes of these."""
        async with asyncio.timeout(20):
            while not all(new.scan.scan_id in self.outcomes for new in news):
                self._changed.clear()
                await self._changed.wait()
        return [self.outcomes[new.scan.scan_id] for new in news]


@asynccontextmanager
async def committing(store: GatedStore, batch: int = 1000) -> AsyncIterator[Committer]:
    """A committer at work."""
    with (
        threads(store) as executor,
        closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit,
    ):
        committer = Committer(store, executor, availability(), audit, batch)
        running = asyncio.create_task(committer.run())
        try:
            yield committer
        finally:
            store.gate.set()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def at_work(store: GatedStore, calls: int = 1) -> None:
    """Wait until so many calls more have reached the store."""
    for _ in range(calls):
        assert await asyncio.to_thread(store.at_work.acquire, timeout=10)


def news(count: int) -> list[NewScan]:
    """Scans to store."""
    return [NewScan(*make_scan()) for _ in range(count)]


def submit(
    committer: Committer,
    told: Told,
    new: Sequence[NewScan],
    wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Have them written, as one connection does: with the same ``settle``."""
    settle = told.settle
    for item in new:
        committer.submit(Waiting(item, wanted, settle))


def test_what_is_told_as_stored_is_in_the_store(store: GatedStore) -> None:
    async def main() -> None:
        told, new = Told(), news(3)
        async with committing(store) as committer:
            submit(committer, told, new)
            assert await told.of(*new) == [Added.STORED] * 3

    asyncio.run(main())
    assert store.queries.count_states()[ReportGenerated.TO_DO] == 3


def test_what_comes_while_others_are_written_is_written_together(store: GatedStore) -> None:
    async def main() -> None:
        told, new = Told(), news(40)
        async with committing(store) as committer:
            store.gate.clear()
            for n in range(IN_PROGRESS_AT_ONCE):
                submit(committer, told, new[n : n + 1])
                await at_work(store)
            for n in range(IN_PROGRESS_AT_ONCE, 40):  # each of them alone, while they wait
                submit(committer, told, new[n : n + 1])
                await asyncio.sleep(0)
            store.gate.set()
            await told.of(*new)

    asyncio.run(main())
    assert [len(batch) for batch in store.batches] == [1] * IN_PROGRESS_AT_ONCE + [
        40 - IN_PROGRESS_AT_ONCE
    ]


def test_no_batch_is_larger_than_allowed(store: GatedStore) -> None:
    async def main() -> None:
        told, new = Told(), news(25)
        async with committing(store, batch=10) as committer:
            submit(committer, told, new)
            assert await told.of(*new) == [Added.STORED] * 25

    asyncio.run(main())
    assert sorted(len(batch) for batch in store.batches) == [5, 10, 10]


def test_those_of_one_connection_are_told_in_one_call_and_each_connection_its_own(
    store: GatedStore,
) -> None:
    async def main() -> None:
        one, two = Told(), Told()
        mine, yours = news(5), news(4)
        async with committing(store) as committer:
            submit(committer, one, mine)
            submit(committer, two, yours)
            await one.of(*mine)
            await two.of(*yours)
        assert [set(call) for call in one.calls] == [{n.scan.scan_id for n in mine}]
        assert [set(call) for call in two.calls] == [{n.scan.scan_id for n in yours}]

    asyncio.run(main())


def test_each_scan_of_a_batch_has_an_outcome_of_its_own(store: GatedStore) -> None:
    async def main() -> None:
        told, (known, taken, new) = Told(), news(3)
        other = NewScan(*make_scan(scan_id=taken.scan.scan_id, voxels=bytes(100)))
        async with committing(store) as committer:
            submit(committer, told, [known, taken])
            await told.of(known, taken)
            again = Told()
            submit(committer, again, [new, other, known])
            assert await again.of(new, other) == [Added.STORED, Added.CONFLICT]
            assert (await again.of(known))[0] in (Added.STORED, Added.KNOWN)

    asyncio.run(main())
    assert store.queries.count_states()[ReportGenerated.TO_DO] == 3


def test_a_scan_that_mongodb_does_not_take_does_not_take_the_others_along(
    store: GatedStore,
) -> None:
    async def main() -> None:
        told, good = Told(), news(4)
        size = 17 * 2**20  # over MongoDB's 16 MiB: nothing that large is ever given to it
        huge = NewScan(*make_scan(voxels=bytes(size), shape=(4096, size // 4096)))
        async with committing(store) as committer:
            submit(committer, told, [*good[:2], huge, *good[2:]])
            assert await told.of(*good) == [Added.STORED] * 4
            [outcome] = await told.of(huge)
            assert isinstance(outcome, StoreError)

    asyncio.run(main())
    assert store.queries.count_states()[ReportGenerated.TO_DO] == 4


def test_what_nobody_waits_for_any_more_is_not_written(store: GatedStore) -> None:
    async def main() -> None:
        told, new, gone = Told(), news(2), news(3)
        async with committing(store) as committer:
            submit(committer, told, [*gone[:1]], wanted=lambda: False)
            submit(committer, told, new)
            submit(committer, told, [*gone[1:]], wanted=lambda: False)
            assert await told.of(*new) == [Added.STORED] * 2
            assert await told.of(*gone) == [WITHDRAWN] * 3

    asyncio.run(main())
    assert store.queries.count_states()[ReportGenerated.TO_DO] == 2


def test_while_mongodb_is_away_scans_are_kept_and_then_stored() -> None:
    async def main(store: GatedStore, folder: Path) -> None:
        told, new = Told(), news(20)
        async with committing(store) as committer:
            submit(committer, told, new)
            await at_work(store, 2)  # the first try has failed
            assert not told.calls
            with own_mongod(folder):
                assert await told.of(*new) == [Added.STORED] * 20
                assert store.queries.count_states()[ReportGenerated.TO_DO] == 20

    with (
        tempfile.TemporaryDirectory(prefix="fr-") as name,
        own_mongod(Path(name)) as mongod,
        gated(mongod.uri, "fr", timeout_s=1) as store,
    ):
        mongod.kill()
        asyncio.run(main(store, Path(name)))
