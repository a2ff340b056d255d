"""The bound on the bytes that all connections hold together."""

import asyncio
import random

import pytest

from fr_hub.memory_budget import MemoryBudget


def start(budget: MemoryBudget, amount: int) -> "asyncio.Task[None]":
    """A task that takes so much."""
    return asyncio.create_task(budget.take(amount))


async def turn() -> None:
    """Let each task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def free(budget: MemoryBudget) -> int:
    """What is left of it."""
    return budget.free


def test_what_is_there_is_taken_at_once_and_what_is_given_back_can_be_taken_again() -> None:
    budget = MemoryBudget(10)
    assert budget.try_take(6)
    assert not budget.try_take(5)
    assert budget.try_take(4)
    budget.release(6)
    assert budget.try_take(6)


def test_who_wants_more_than_is_left_waits_for_it() -> None:
    async def main() -> None:
        budget = MemoryBudget(10)
        await budget.take(8)
        waiting = start(budget, 5)
        await turn()
        assert not waiting.done()
        budget.release(8)
        await asyncio.wait_for(waiting, 1)
        assert free(budget) == 5

    asyncio.run(main())


def test_those_who_wait_are_served_in_their_order_so_that_a_large_one_does_not_starve() -> None:
    async def main() -> None:
        budget = MemoryBudget(10)
        await budget.take(6)
        large, small = start(budget, 9), start(budget, 1)
        await turn()
        assert not budget.try_take(1)  # nor does one that comes now go before
        assert not small.done()
        budget.release(6)
        await turn()
        assert large.done()
        assert small.done()
        assert free(budget) == 0

    asyncio.run(main())


def test_more_than_all_of_it_waits_until_all_isfree_and_is_given_back_as_such() -> None:
    async def main() -> None:
        budget = MemoryBudget(10)
        await budget.take(1)
        huge = start(budget, 1000)
        await turn()
        assert not huge.done()
        budget.release(1)
        await asyncio.wait_for(huge, 1)
        assert free(budget) == 0
        budget.release(1000)
        assert free(budget) == 10

    asyncio.run(main())


def test_who_stops_waiting_makes_room_for_those_behind() -> None:
    async def main() -> None:
        budget = MemoryBudget(10)
        await budget.take(6)
        large, small = start(budget, 9), start(budget, 1)
        await turn()
        large.cancel()
        await asyncio.wait_for(small, 1)
        assert free(budget) == 3

    asyncio.run(main())


def test_who_is_cancelled_while_it_is_served_keeps_nothing() -> None:
    async def main() -> None:
        budget = MemoryBudget(10)
        await budget.take(10)
        waiting = start(budget, 5)
        await turn()
        budget.release(10)  # served, and it has not run since
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert free(budget) == 10

    asyncio.run(main())


def test_what_is_given_back_passes_over_who_was_cancelled_and_has_not_run_since() -> None:
    async def main() -> None:
        budget = MemoryBudget(10)
        await budget.take(10)
        first, second = start(budget, 5), start(budget, 5)
        await turn()
        first.cancel()
        budget.release(10)
        await asyncio.wait_for(second, 1)
        await asyncio.gather(first, return_exceptions=True)
        assert first.cancelled()
        assert free(budget) == 5

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_all_of_it_isfree_in_the_end(seed: int) -> None:
    async def main() -> None:
        budget = MemoryBudget(100)
        chance = random.Random(seed)  # noqa: S311 - no secret
        held = 0

        async def use(amount: int) -> None:
            nonlocal held
            await budget.take(amount)
            held += min(amount, 100)
            assert held <= 100
            try:
                await turn()
            finally:
                held -= min(amount, 100)
                budget.release(amount)

        tasks = []
        for _ in range(200):
            tasks.append(asyncio.create_task(use(chance.randint(1, 130))))
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
            if chance.random() < 0.3:
                await turn()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert {type(r) for r in results} <= {type(None), asyncio.CancelledError}
        assert free(budget) == 100

    asyncio.run(main())


def test_what_one_owner_takes_and_waits_for_leaves_the_share_of_another_free() -> None:
    async def main() -> None:
        budget = MemoryBudget(100, ["a", "b"])
        for _ in range(75):  # its share, and what is common
            assert budget.try_take(1, "a")
        assert not budget.try_take(1, "a")
        waiting = asyncio.create_task(budget.take(10, "a"))
        await turn()
        await asyncio.wait_for(budget.take(25, "b"), 1)
        more = asyncio.create_task(budget.take(1, "b"))  # beyond its share: after the one before
        await turn()
        budget.release(5, "a")
        await turn()
        assert not waiting.done()
        assert not more.done()
        budget.release(5, "a")
        budget.release(1, "a")
        await turn()
        assert waiting.done()
        assert more.done()

    asyncio.run(main())


def test_what_is_held_is_released_at_the_end() -> None:
    async def main() -> None:
        budget = MemoryBudget(100, ["a", "b"])
        async with budget.held(1000, "a"):
            assert budget.free == 25
        assert budget.free == 100

    asyncio.run(main())
