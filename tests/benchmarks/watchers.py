"""From the commit of a scan to the clients that watch: ``python -m tests.benchmarks.watchers``.

An API as a process, on a MongoDB that nobody else uses, with WATCHERS clients of the live feed in
this process and a thread that stores RATE scans a second, each a batch, and takes them to their
reports. The time is from when a batch is committed to when a client has read its event; all are on
one machine, so the work of the clients counts, too.

Settings from the environment: WATCHERS (1000), RATE (20), SECONDS (20).
"""

import asyncio
import contextlib
import json
import os
import resource
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from common.domain.types import DEFAULT_TENANT
from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import make_report, make_scan, migrate, own_mongod
from tests.processes import start, stop
from tests.running import free_port, listens, until

WATCHERS, RATE, SECONDS = (
    int(os.environ.get(name, default))
    for name, default in (("WATCHERS", 1000), ("RATE", 20), ("SECONDS", 20))
)

Committed = dict[str, float]


def write(
    store: DBManager, committed: Committed, began: threading.Event, rate: int, seconds: int
) -> None:
    """Store scans at the rate, note when each was committed, and finish it."""
    began.wait()
    for n in range(rate * seconds):
        due = time.monotonic()
        scan, voxels = make_scan(scan_id=f"scan-{n}-{secrets.token_hex(4)}")
        store.scans.add([NewScan(scan, voxels)])
        committed[scan.key] = time.monotonic()
        claims = store.claims.claim("benchmark-1-1-1", 1, 60.0)
        store.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
        time.sleep(max(0.0, due + 1 / rate - time.monotonic()))


async def watch(port: int, token: str, seen: list[tuple[str, float]], ready: list[int]) -> None:
    """Read the feed, and note when each scan was first told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET /api/v1/events HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(request.encode())
    while line := await reader.readline():
        if line.startswith(b"event: ready"):
            ready.append(1)
        elif line.startswith(b"data: ") and b'"state":"waiting"' in line:
            seen.append((json.loads(line[6:])["key"], time.monotonic()))
    writer.close()


async def measure(
    port: int, token: str, store: DBManager, count: int, rate: int, seconds: int
) -> list[float]:
    """Seconds from commit to client, of each event and client."""
    seen: list[tuple[str, float]] = []
    ready: list[int] = []
    committed: Committed = {}
    began = threading.Event()
    writing = threading.Thread(target=write, args=(store, committed, began, rate, seconds))
    writing.start()
    tasks = [asyncio.create_task(watch(port, token, seen, ready)) for _ in range(count)]
    await asyncio.to_thread(until, lambda: len(ready) == count, 300)
    began.set()
    await asyncio.to_thread(writing.join)
    await asyncio.to_thread(until, lambda: len(seen) >= count * len(committed), 60)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # The clock is read before the claim, and an event may come before that.
    return sorted(max(0.0, at - committed[key]) for key, at in seen if key in committed)


def run(count: int, rate: int, seconds: int) -> tuple[float, float]:
    """Median and p99 of the milliseconds from commit to client."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder, own_mongod(Path(folder)) as mongod:
        given: dict[str, Any] = {"MONGODB_URI": mongod.uri, "MONGODB_DATABASE": "watchers"}
        migrate(mongod.uri, "watchers")
        store = DBManager(mongod.uri, "watchers")
        store.users.add("ada", DEFAULT_TENANT, [Role.READER])
        token = store.tokens.add("ada", timedelta(hours=1))
        port = free_port()
        web = start("fr_hub.web", None, WEB_PORT=str(port), DATA_DIR=folder, **given)
        try:
            until(lambda: listens(port), 120)
            found = asyncio.run(measure(port, token, store, count, rate, seconds))
        finally:
            stop(web)
            store.close()
    assert found, "no event came"
    p50, p99 = (found[int(share * (len(found) - 1))] * 1000 for share in (0.5, 0.99))
    return p50, p99


@contextlib.contextmanager
def following(client: httpx2.Client) -> Iterator[None]:
    """A watcher that reads the feed during the block."""
    ready, ending = threading.Event(), threading.Event()

    def follow() -> None:
        with (
            contextlib.suppress(httpx2.TransportError),
            client.stream("GET", "/api/v1/events") as answer,
        ):
            for line in answer.iter_lines():
                if line.startswith("event: ready"):
                    ready.set()
                if ending.is_set():
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert ready.wait(60), "the stream does not begin"
    try:
        yield
    finally:
        ending.set()


def main() -> int:
    """Measure and print."""
    load = os.getloadavg()[0]
    p50, p99 = run(WATCHERS, RATE, SECONDS)
    figures = f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, load of the machine {load:.0f}"
    sys.stdout.write(f"{WATCHERS} watchers, {RATE} scans/s: {figures}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
