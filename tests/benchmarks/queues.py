"""The task queues that the project is measured against, each with a worker that is running."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Missing
from tests.benchmarks.servers import process, redis
from tests.benchmarks.units import Bench

WORKERS = 2


def environment(bench: Bench, database: str, broker: str = "") -> dict[str, str]:
    """What a peer's process must know."""
    return {"BENCH_MONGODB": bench.uri, "BENCH_DATABASE": database, "BENCH_REDIS": broker}


@contextlib.contextmanager
def celery_worker(bench: Bench, fsync: str) -> Iterator[Any]:
    """A running worker; its task, to be sent from here."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(redis(_folder(bench), fsync))
        settings = environment(bench, stack.enter_context(bench.database()), broker)
        try:
            import celery
        except ImportError:
            raise Missing("celery is not installed: see make bench") from None
        arguments = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.peers.celery_app"]
        arguments += ["worker", f"--concurrency={WORKERS}", "--loglevel=error"]
        arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        stack.enter_context(process(arguments, bench.folder / "celery.log", 0, settings))
        app = celery.Celery("bench", broker=broker, backend=broker)
        try:
            yield _CelerySender(app)
        finally:
            # Results lie in cycles and speak to Redis when they go: while it is there.
            gc.collect()


class _CelerySender:
    """Sends the task by its name, as another program does."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def delay(self, message: Any) -> Any:
        """One scan; a result to wait for."""
        return self._app.send_task("analyse", (message,))


@contextlib.contextmanager
def dramatiq_worker(bench: Bench, fsync: str) -> Iterator[Any]:
    """A running worker; its actor, to be sent from here."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(redis(_folder(bench), fsync))
        settings = environment(bench, stack.enter_context(bench.database()), broker)
        try:
            import dramatiq
            from dramatiq.brokers.redis import RedisBroker
            from dramatiq.results import Results
            from dramatiq.results.backends import RedisBackend
        except ImportError:
            raise Missing("dramatiq is not installed: see make bench") from None
        arguments = [sys.executable, "-m", "dramatiq", "tests.benchmarks.peers.dramatiq_app"]
        arguments += ["--processes", str(WORKERS), "--threads", "4"]
        stack.enter_context(process(arguments, bench.folder / "dramatiq.log", 0, settings))
        sending = RedisBroker(url=broker)
        sending.add_middleware(Results(backend=RedisBackend(url=broker)))
        dramatiq.set_broker(sending)  # a message asks the global one for its result
        actor = dramatiq.actor(
            lambda message: message, actor_name="analyse", broker=sending, store_results=True
        )
        yield actor


def _folder(bench: Bench) -> Path:
    return bench.folder / f"redis-{os.urandom(4).hex()}"
