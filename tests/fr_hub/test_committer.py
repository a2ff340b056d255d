"""Group commit on a real MongoDB: scans that come together are written together."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from common.domain.states import ReportGenerated
from common.errors import StoreError
from common.store.documents import Added, NewScan
from fr_hub.async_store import ScanOutcome, Unstorable
from fr_hub.committer import CONCURRENT_BATCHES, WITHDRAWN, Committer, Submission
from tests.factories import make_scan, own_mongod
from tests.fr_hub.stores import GatedStore, gated, gated_hub


class Outcomes:
    """The calls of ``on_outcome`` of one connection."""

    def __init__(self) -> None:
        self.calls: list[dict[str, ScanOutcome]] = []
        self._changed = asyncio.Event()

    def on_outcome(self, results: Sequence[tuple[NewScan, ScanOutcome]]) -> None:
        """Keep a call."""
        self.calls.append({new.scan.scan_id: outcome for new, outcome in results})
        self._changed.set()

    @property
    def by_id(self) -> dict[str, ScanOutcome]:
        """The outcomes so far, by scan id."""
        return {name: outcome for call in self.calls for name, outcome in call.items()}

    async def of(self, *news: NewScan) -> list[ScanOutcome]:
        """Wait for the outcomes of these."""
        async with asyncio.timeout(20):
            while not all(new.scan.scan_id in self.by_id for new in news):
                self._changed.clear()
                await self._changed.wait()
        return [self.by_id[new.scan.scan_id] for new in news]


@asynccontextmanager
async def committing(store: GatedStore, batch: int = 1000) -> AsyncIterator[Committer]:
    """A committer at work."""
    with gated_hub(store) as hub:
        committer = Committer(hub.store, batch, hub.log)
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
    outcomes: Outcomes,
    new: Sequence[NewScan],
    wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Submit them as one connection does: with the same ``on_outcome``."""
    on_outcome = outcomes.on_outcome
    for item in new:
        committer.submit(Submission(item, wanted, on_outcome))


def test_what_is_told_as_stored_is_in_the_store(gated_store: GatedStore) -> None:
    async def main() -> None:
        outcomes, new = Outcomes(), news(3)
        async with committing(gated_store) as committer:
            submit(committer, outcomes, new)
            assert await outcomes.of(*new) == [Added.STORED] * 3

    asyncio.run(main())
    assert gated_store.queries.count_states()[ReportGenerated.TO_DO] == 3


def test_what_comes_while_others_are_written_is_written_together(gated_store: GatedStore) -> None:
    async def main() -> None:
        outcomes, new = Outcomes(), news(40)
        async with committing(gated_store) as committer:
            gated_store.gate.clear()
            for n in range(CONCURRENT_BATCHES):
                submit(committer, outcomes, new[n : n + 1])
                await at_work(gated_store)
            for n in range(CONCURRENT_BATCHES, 40):  # each of them alone, while they wait
                submit(committer, outcomes, new[n : n + 1])
                await asyncio.sleep(0)
            gated_store.gate.set()
            await outcomes.of(*new)

    asyncio.run(main())
    assert [len(batch) for batch in gated_store.batches] == [1] * CONCURRENT_BATCHES + [
        40 - CONCURRENT_BATCHES
    ]


def test_no_batch_is_larger_than_allowed(gated_store: GatedStore) -> None:
    async def main() -> None:
        outcomes, new = Outcomes(), news(25)
        async with committing(gated_store, batch=10) as committer:
            submit(committer, outcomes, new)
            assert await outcomes.of(*new) == [Added.STORED] * 25

    asyncio.run(main())
    assert sorted(len(batch) for batch in gated_store.batches) == [5, 10, 10]


def test_those_of_one_connection_are_told_in_one_call_and_each_connection_its_own(
    gated_store: GatedStore,
) -> None:
    async def main() -> None:
        one, two = Outcomes(), Outcomes()
        mine, yours = news(5), news(4)
        async with committing(gated_store) as committer:
            submit(committer, one, mine)
            submit(committer, two, yours)
            await one.of(*mine)
            await two.of(*yours)
        assert [set(call) for call in one.calls] == [{n.scan.scan_id for n in mine}]
        assert [set(call) for call in two.calls] == [{n.scan.scan_id for n in yours}]

    asyncio.run(main())


def test_each_scan_of_a_batch_has_an_outcome_of_its_own(gated_store: GatedStore) -> None:
    async def main() -> None:
        outcomes, (known, taken, new) = Outcomes(), news(3)
        other = NewScan(*make_scan(scan_id=taken.scan.scan_id, voxels=bytes(100)))
        async with committing(gated_store) as committer:
            submit(committer, outcomes, [known, taken])
            await outcomes.of(known, taken)
            again = Outcomes()
            submit(committer, again, [new, other, known])
            assert await again.of(new, other) == [Added.STORED, Added.CONFLICT]
            assert (await again.of(known))[0] in (Added.STORED, Added.KNOWN)

    asyncio.run(main())
    assert gated_store.queries.count_states()[ReportGenerated.TO_DO] == 3


def test_a_scan_that_mongodb_does_not_take_does_not_take_the_others_along(
    gated_store: GatedStore,
) -> None:
    async def main() -> None:
        outcomes, good = Outcomes(), news(4)
        size = 17 * 2**20  # over MongoDB's 16 MiB: nothing that large is ever given to it
        huge = NewScan(*make_scan(voxels=bytes(size), shape=(4096, size // 4096)))
        async with committing(gated_store) as committer:
            submit(committer, outcomes, [*good[:2], huge, *good[2:]])
            assert await outcomes.of(*good) == [Added.STORED] * 4
            [outcome] = await outcomes.of(huge)
            assert isinstance(outcome, StoreError)

    asyncio.run(main())
    assert gated_store.queries.count_states()[ReportGenerated.TO_DO] == 4


def test_what_nobody_waits_for_any_more_is_not_written(gated_store: GatedStore) -> None:
    async def main() -> None:
        outcomes, new, gone = Outcomes(), news(2), news(3)
        async with committing(gated_store) as committer:
            submit(committer, outcomes, [*gone[:1]], wanted=lambda: False)
            submit(committer, outcomes, new)
            submit(committer, outcomes, [*gone[1:]], wanted=lambda: False)
            assert await outcomes.of(*new) == [Added.STORED] * 2
            assert await outcomes.of(*gone) == [WITHDRAWN] * 3

    asyncio.run(main())
    assert gated_store.queries.count_states()[ReportGenerated.TO_DO] == 2


def test_while_mongodb_is_away_scans_are_kept_and_then_stored() -> None:
    async def main(store: GatedStore, folder: Path) -> None:
        outcomes, new = Outcomes(), news(20)
        async with committing(store) as committer:
            submit(committer, outcomes, new)
            await at_work(store, 2)  # the first try has failed
            assert not outcomes.calls
            with own_mongod(folder):
                assert await outcomes.of(*new) == [Added.STORED] * 20
                assert store.queries.count_states()[ReportGenerated.TO_DO] == 20

    with (
        tempfile.TemporaryDirectory(prefix="fr-") as name,
        own_mongod(Path(name)) as mongod,
        gated(mongod.uri, "fr", timeout_s=1) as store,
    ):
        mongod.kill()
        asyncio.run(main(store, Path(name)))


def test_whatever_a_batch_or_one_senders_answers_raise_the_others_get_theirs(
    gated_store: GatedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = gated_store.scans.add

    async def main() -> None:
        outcomes, (bad, *good) = Outcomes(), news(4)

        def failing(new: Sequence[NewScan], by: str | None = None) -> list[Added]:
            if bad in new:
                raise RuntimeError("nobody expects this")
            return add(new, by)

        def on_outcome(_: object) -> None:
            raise ValueError("nor this")

        monkeypatch.setattr(type(gated_store.scans), "add", lambda _, *given: failing(*given))
        gated_store.scans.add = failing  # type: ignore[method-assign]
        async with committing(gated_store) as committer:
            committer.submit(Submission(good[0], lambda: True, on_outcome))
            submit(committer, outcomes, [bad, *good[1:]])
            unstorable, *stored = await outcomes.of(bad, *good[1:])
            assert isinstance(unstorable, Unstorable)
            assert stored == [Added.STORED] * 2

    asyncio.run(main())


def test_each_fr_pacs_gets_its_turn_in_each_batch(gated_store: GatedStore) -> None:
    async def main() -> None:
        outcomes = Outcomes()
        async with committing(gated_store, batch=10) as committer:
            gated_store.gate.clear()
            for first in news(CONCURRENT_BATCHES):
                submit(committer, outcomes, [first])
                await at_work(gated_store)
            flood = news(30)
            others = [NewScan(*make_scan(pacs="pacs-2")) for _ in range(3)]
            submit(committer, outcomes, [*flood, *others])
            gated_store.gate.set()
            await outcomes.of(*flood, *others)
            first_batch = gated_store.batches[CONCURRENT_BATCHES]
            assert {item.scan.scan_id for item in others} <= set(first_batch)
            assert len(first_batch) == 10

    asyncio.run(main())
