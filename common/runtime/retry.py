"""The one retry policy of the project: exponential backoff with full jitter, at most 5 s.

Full jitter (uniform between 0 and the bound) spreads clients that failed at the same moment:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

FIRST_S = 0.1
LONGEST_S = 5.0

Errors = type[Exception] | tuple[type[Exception], ...]
Failed = Callable[[BaseException | None], None]


def backoff_s(failures: int) -> float:
    """The pause before the next attempt, seconds, for code that cannot block in a retry loop."""
    longest = min(LONGEST_S, FIRST_S * 2 ** min(failures, 16))
    return random.uniform(0, longest)  # noqa: S311 - jitter, not a secret


def retrying(
    errors: Errors, stop: threading.Event, failed: Failed, *, final: Errors = ()
) -> Retrying:
    """Retry a blocking call that raises one of ``errors``, but none of ``final``.

    Once ``stop`` is set, the last error is raised. ``failed`` is called with each error.
    """
    return Retrying(
        retry=retry_if_exception(lambda e: isinstance(e, errors) and not isinstance(e, final)),
        wait=_wait(),
        sleep=sleep_using_event(stop),
        stop=stop_when_event_set(stop),
        after=lambda state: failed(_error(state)),
        reraise=True,
    )


def async_retrying(
    errors: Errors,
    failed: Failed,
    until: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncRetrying:
    """Retry an ``async`` call that raises one of ``errors``.

    Once ``until()`` is true, the last error is raised. ``failed`` is called with each error;
    ``sleep`` may end a pause early.
    """
    return AsyncRetrying(
        retry=retry_if_exception_type(errors),
        wait=_wait(),
        sleep=sleep,
        stop=lambda _: until(),
        after=lambda state: failed(_error(state)),
        reraise=True,
    )


def _wait() -> wait_random_exponential:
    return wait_random_exponential(multiplier=FIRST_S, max=LONGEST_S)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
