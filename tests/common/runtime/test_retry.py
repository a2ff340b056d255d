import asyncio
import threading
from collections.abc import Callable

import pytest

from common.errors import AuditConflict, StoreError, StoreUnavailable
from common.runtime.retry import LONGEST_S, async_retrying, backoff_s, retrying


class Failing:
    """Fails ``times`` times, then succeeds."""

    def __init__(self, times: int, error: Callable[[str], Exception] = StoreUnavailable) -> None:
        self.times = times
        self.error = error
        self.failures: list[BaseException | None] = []

    def __call__(self) -> str:
        if self.times:
            self.times -= 1
            raise self.error("unreachable")
        return "done"

    async def later(self) -> str:
        return self()


def test_a_call_is_retried_until_it_succeeds_and_each_error_is_passed_on() -> None:
    call = Failing(2)
    assert retrying(StoreUnavailable, threading.Event(), call.failures.append)(call) == "done"
    assert [type(error) for error in call.failures] == [StoreUnavailable] * 2


def test_an_error_of_another_kind_is_raised_at_once() -> None:
    call = Failing(2, StoreError)
    with pytest.raises(StoreError):
        retrying(StoreUnavailable, threading.Event(), call.failures.append)(call)
    assert call.times == 1


def test_a_final_error_is_raised_at_once_even_if_its_base_is_retried() -> None:
    call = Failing(2, AuditConflict)
    with pytest.raises(AuditConflict):
        retrying(StoreError, threading.Event(), call.failures.append, final=AuditConflict)(call)
    assert call.times == 1


def test_after_a_stop_the_last_error_is_raised() -> None:
    stop = threading.Event()
    stop.set()
    call = Failing(99)
    with pytest.raises(StoreUnavailable):
        retrying(StoreUnavailable, stop, call.failures.append)(call)
    assert call.times == 98


def test_an_async_call_is_retried_and_its_pauses_can_be_replaced() -> None:
    call, pauses = Failing(3), list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> str:
        async for attempt in async_retrying(StoreUnavailable, call.failures.append, sleep=sleep):
            with attempt:
                result = await call.later()
        return result

    assert asyncio.run(run()) == "done"
    assert len(pauses) == len(call.failures) == 3


def test_an_async_call_is_not_retried_once_until_is_true() -> None:
    call = Failing(99)

    async def run() -> None:
        async for attempt in async_retrying(
            StoreUnavailable, call.failures.append, lambda: call.times < 98, asyncio.sleep
        ):
            with attempt:
                await call.later()

    with pytest.raises(StoreUnavailable):
        asyncio.run(run())


def test_pauses_grow_to_their_bound_with_full_jitter() -> None:
    assert all(0 <= backoff_s(0) <= 0.1 for _ in range(100))
    late = [backoff_s(10_000) for _ in range(300)]
    assert max(late) <= LONGEST_S
    assert min(late) < LONGEST_S / 3 < max(late)
