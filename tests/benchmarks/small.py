"""Small scans end to end: from the first scan sent to the last report acknowledged."""

import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.floors import five_writes
from tests.benchmarks.machine import now
from tests.benchmarks.peers.work import line, messages
from tests.benchmarks.queues import WORKERS, celery_worker, dramatiq_worker, environment
from tests.benchmarks.servers import process
from tests.benchmarks.units import Bench, checked, rate, units
from tests.running import free_port

OURS = "Fr"
FLOOR, FLOOR_OF_ONE = "limit: the five writes, two clients", "the five writes, one client"
BY_BATCH = "experiment: two clients, claims and marks by batch"


class Small:
    """10x10 grids, scans per second."""

    name = "small"
    title = "Small scans end to end"
    goals = (
        Goal("Fr over Celery + Redis (fsync always)", (OURS, "scans/s"),
             ("Celery + Redis, fsync always", "scans/s"), 20, 40),
        Goal("Fr over dramatiq + Redis (fsync always)", (OURS, "scans/s"),
             ("dramatiq + Redis, fsync always", "scans/s"), 8, 15),
        Goal("Fr of the five writes of a scan", (OURS, "scans/s"), (FLOOR, "scans/s"),
             0.30, 0.40, limit=True),
    )  # fmt: skip

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 3 if bench.quick else 5
        self._ours = 6_000 if bench.quick else 30_000
        self._peers = 300 if bench.quick else 1_000

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Fr, the peers and the limit."""
        return {
            OURS: self.fr,
            FLOOR: lambda: five_writes(self._bench, self._ours),
            FLOOR_OF_ONE: lambda: five_writes(self._bench, self._ours, clients=1),
            BY_BATCH: lambda: five_writes(self._bench, self._ours, by_batch=True),
            "Celery + Redis, fsync always": lambda: self.celery("always"),
            "Celery + Redis, fsync every second": lambda: self.celery("everysec"),
            "dramatiq + Redis, fsync always": lambda: self.dramatiq("always"),
            "dramatiq + Redis, fsync every second": lambda: self.dramatiq("everysec"),
            "one message and one write at a time": self.naive,
        }

    def close(self) -> None:
        """Nothing to release."""

    def fr(self) -> Figures:
        """Fr: all three units."""
        with units(self._bench) as ours:
            ours.start("fr_hub")
            ours.start("fr_brain", BRAIN_PROCESSES=str(WORKERS))
            # Warm up, because the workers of the peers are warm too.
            checked(ours.send(KIND="grid", SCANS="200", SEED="7"), 200)
            totals = ours.send(KIND="grid", SCANS=str(self._ours))
            return rate(checked(totals, self._ours))

    def celery(self, fsync: str) -> Figures:
        """Celery: ``WORKERS`` threads send tasks and wait for each result."""
        with celery_worker(self._bench, fsync) as analyse:
            list(map(_result, [analyse.delay(m) for m in messages(20, seed=7)]))
            todo = list(messages(self._peers, seed=1))
            return _timed(todo, analyse.delay, _result)

    def dramatiq(self, fsync: str) -> Figures:
        """dramatiq: ``WORKERS`` threads send messages and wait for each result."""
        with dramatiq_worker(self._bench, fsync) as analyse:
            wait = 600_000
            for sent in [analyse.send(m) for m in messages(20, seed=7)]:
                sent.get_result(block=True, timeout=wait)
            todo = list(messages(self._peers, seed=1))
            return _timed(todo, analyse.send, lambda m: m.get_result(block=True, timeout=wait))

    def naive(self) -> Figures:
        """The naive script: one connection, one scan at a time."""
        count = self._peers
        with self._bench.database() as database:
            port = free_port()
            with process(
                [sys.executable, "-m", "tests.benchmarks.peers.naive", str(port)],
                self._bench.folder / "naive.log",
                port,
                environment(self._bench, database),
            ):
                connection = socket.create_connection(("127.0.0.1", port))
                return _converse(connection, list(messages(count, seed=1)))


def _converse(connection: socket.socket, todo: list[dict[str, Any]]) -> Figures:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = connection.makefile("rwb")
    lock, acked, reports = threading.Lock(), threading.Semaphore(0), threading.Semaphore(0)

    def read() -> None:
        for answer in stream:
            if b'"ack"' in answer:
                acked.release()
                continue
            with lock:
                stream.write(answer.replace(b'"report"', b'"ack"'))
                stream.flush()
            reports.release()

    threading.Thread(target=read, daemon=True).start()
    began = now()
    for message in todo:
        with lock:
            stream.write(line(message))
            stream.flush()
        acked.acquire()
    for _ in todo:
        reports.acquire()
    took = now() - began
    connection.close()
    return {"scans/s": len(todo) / took}


def _timed(todo: list[Any], send: Callable[[Any], Any], result: Callable[[Any], Any]) -> Figures:
    began = now()
    sent = [send(message) for message in todo]
    for one in sent:
        result(one)
    return {"scans/s": len(todo) / (now() - began)}


def _result(sent: Any) -> None:
    sent.get(timeout=600)
