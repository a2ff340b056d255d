"""Work in a few threads, one piece of each user at a time: who sends much keeps nobody waiting."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_Work = Callable[[], None]


class Turns:
    """Runs work of users in turn: a user's pieces in order and one at a time.

    Args:
        threads: the most pieces at a time.
        name: of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        self._waiting: dict[str, deque[_Work]] = {}  # by user, of whom one piece is in the executor
        self._lock = threading.Lock()

    def submit(self, user: str, work: Callable[[], T]) -> "Future[T]":
        """Queue a piece of work of a user."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    _resolve(future, work)
            finally:
                self._next(user)

        with self._lock:
            queue = self._waiting.get(user)
            if queue is not None:
                queue.append(run)
                return future
            self._waiting[user] = deque()
        self._executor.submit(run)
        return future

    def _next(self, user: str) -> None:
        with self._lock:
            queue = self._waiting[user]
            if not queue:
                del self._waiting[user]
                return
            work = queue.popleft()
        # Behind the first pieces of the others.
        self._executor.submit(work)

    def close(self) -> None:
        """Finish what runs; what waits is not run. Idempotent."""
        with self._lock:
            for queue in self._waiting.values():
                queue.clear()
        self._executor.shutdown(cancel_futures=True)


def _resolve(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whoever waits gets it
        future.set_exception(error)
    else:
        future.set_result(result)
