"""The task queues to compare with, each with a running worker."""

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
    """Environment of a peer's process."""
    return {"BENCH_MONGODB": bench.uri, "BENCH_DATABASE": database, "BENCH_REDIS": broker}


@contextlib.contextmanager
def celery_worker(bench: Bench, fsync: str) -> Iterator[Any]:
    """Run a Celery worker and yield its task."""
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
            # Collect results while Redis runs: they are in cycles and call Redis when freed.
            gc.collect()


class _CelerySender:
    """Sends the task by name, as another program would."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def delay(self, message: Any) -> Any:
        """Send one scan and return its pending result."""
        return self._app.send_task("analyse", (message,))


@contextlib.contextmanager
def dramatiq_worker(bench: Bench, fsync: str) -> Iterator[Any]:
    """Run a dramatiq worker and yield its actor."""
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
        dramatiq.set_broker(sending)  # a message gets its result through the global broker
        actor = dramatiq.actor(
            lambda message: message, actor_name="analyse", broker=sending, store_results=True
        )
        yield actor


def _folder(bench: Bench) -> Path:
    return bench.folder / f"redis-{os.urandom(4).hex()}"
