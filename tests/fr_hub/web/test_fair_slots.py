"""Whatever one user does, the others have their share: shown by counting."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fr_hub.web.fair_slots import FairSlots
from fr_hub.web.problems import Problem


class Crowd:
    """Requests that stay under way until they are let go."""

    def __init__(self, slots: FairSlots) -> None:
        self.slots = slots
        self.tasks: list[asyncio.Task[None]] = []
        self.gates: dict[str, list[asyncio.Event]] = {}

    async def send(self, user: str, count: int) -> None:
        """Send requests, and let them come as far as they get."""
        for _ in range(count):
            gate = asyncio.Event()
            self.tasks.append(asyncio.create_task(self._one(user, gate)))
        await settled()

    async def _one(self, user: str, gate: asyncio.Event) -> None:
        async with self.slots.hold(user):
            self.gates.setdefault(user, []).append(gate)
            await gate.wait()

    async def answer(self, user: str) -> None:
        """Answer one request of a user."""
        self.gates[user].pop().set()
        await settled()

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert self.slots.running == {}


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def with_crowd(
    test: Callable[[Crowd], Awaitable[None]], *, most: int = 100, waiting: int = 100
) -> None:
    async def run() -> None:
        crowd = Crowd(FairSlots("requests", 16, most, waiting, wait_s=60))
        try:
            await test(crowd)
        finally:
            await crowd.end()

    asyncio.run(run())


def test_one_user_leaves_half_and_the_next_one_half_of_that() -> None:
    async def test(crowd: Crowd) -> None:
        for user in "abcde":
            await crowd.send(user, 50)
        assert crowd.slots.running == {"a": 8, "b": 4, "c": 2, "d": 1, "e": 1}

    with_crowd(test)


def test_who_has_the_least_under_way_is_next() -> None:
    async def test(crowd: Crowd) -> None:
        for user in "abcde":
            await crowd.send(user, 50)
        await crowd.send("late", 3)
        assert "late" not in crowd.slots.running
        await crowd.answer("a")
        assert crowd.slots.running["late"] == 1
        for _ in range(6):
            await crowd.answer("a")
        running = crowd.slots.running
        assert running["a"] < 8
        assert max(running.values()) - min(running.values()) <= 3, "the shares become alike"

    with_crowd(test)


def test_among_more_users_than_slots_each_has_a_turn() -> None:
    async def test(crowd: Crowd) -> None:
        users = [f"user-{n}" for n in range(2 * crowd.slots.capacity)]
        for user in users:
            await crowd.send(user, 3)
        await crowd.send("late", 1)
        answered = 0
        while "late" not in crowd.slots.running:
            await crowd.answer(next(user for user in users if crowd.slots.running.get(user)))
            answered += 1
        assert answered <= len(users)

    with_crowd(test)


def test_one_user_alone_has_the_most_and_no_more() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.send("a", 10)
        assert crowd.slots.running == {"a": 3}

    with_crowd(test, most=3)


def test_what_waits_is_bounded_and_the_limit_is_named() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.send("a", 8 + 5)
        with pytest.raises(Problem) as told:
            async with crowd.slots.hold("a"):
                pass
        assert told.value.status == 429
        assert "'requests'" in told.value.detail
        assert told.value.headers["Retry-After"]
        async with crowd.slots.hold("b"):
            assert crowd.slots.running["b"] == 1, "another user is not concerned"

    with_crowd(test, waiting=5)


def test_who_waits_too_long_is_told() -> None:
    async def run() -> None:
        slots = FairSlots("requests", 1, 1, 5, wait_s=0.01)
        async with slots.hold("a"):
            with pytest.raises(Problem):
                async with slots.hold("b"):
                    pass
        async with slots.hold("b"):
            assert slots.running == {"b": 1}

    asyncio.run(run())


def test_a_request_that_is_given_up_while_it_waits_takes_no_slot() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.send("a", 9)
        crowd.tasks[-1].cancel()
        await settled()
        for _ in range(8):
            await crowd.answer("a")
        assert crowd.slots.running == {}
        await crowd.send("b", 1)
        assert crowd.slots.running == {"b": 1}

    with_crowd(test)
