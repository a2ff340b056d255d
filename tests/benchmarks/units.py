"""Fr's units for a benchmark: separate processes with a user's settings, and one MongoDB."""

import contextlib
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo

from tests.benchmarks.figures import Figures
from tests.factories import migrate
from tests.processes import ROOT, environment
from tests.running import free_port, listens, until

_END_S = 900.0


@dataclass
class Bench:
    """The MongoDB and the folder of a run."""

    uri: str
    folder: Path
    quick: bool

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Yield the name of a new database that is migrated, and drop it afterwards."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        migrate(self.uri, name)
        try:
            yield name
        finally:
            with self.client() as client:
                client.drop_database(name)

    def client(self, **options: Any) -> "pymongo.MongoClient[dict[str, Any]]":
        """A client with the same write concern as Fr."""
        return pymongo.MongoClient(self.uri, w="majority", journal=True, **options)


@dataclass
class Sending:
    """A Fr-PACS that sends."""

    process: "subprocess.Popen[str]"
    _summary: Path
    _ended: Callable[[], object]

    def summary(self, within_s: float) -> dict[str, Any]:
        """Its summary, when it has ended."""
        self.process.wait(within_s)
        self._ended()
        assert self._summary.is_file(), f"no summary, see {self._summary.parent}"
        totals: dict[str, Any] = json.loads(self._summary.read_text())
        return totals


class Units:
    """Fr-HUB, Fr-BRAIN and senders on one database."""

    def __init__(self, bench: Bench, database: str, **given: str) -> None:
        self._bench = bench
        self.database = database
        self._hub_port, self._pacs_port = free_port(), free_port()
        self._processes: list[subprocess.Popen[str]] = []
        self._folder = bench.folder / database
        self._folder.mkdir(parents=True)
        self._settings = {
            "MONGODB_URI": bench.uri,
            "MONGODB_DATABASE": database,
            "HUB_PORT": str(self._hub_port),
            "PACS_PORT": str(self._pacs_port),
            "HUB_PACS": f"pacs-1=127.0.0.1:{self._pacs_port}",
            "LOG_LEVEL": "warning",
            **given,
        }

    @property
    def hub_port(self) -> int:
        """The port on which Fr-HUB receives scans."""
        return self._hub_port

    def start(self, module: str, **given: str) -> int:
        """Start ``python -m module`` in the background and return its process id."""
        running = self._run(module, **given)
        self._processes.append(running)
        if module == "fr_hub":
            until(lambda: listens(self._hub_port), 60)
        return running.pid

    def _run(self, module: str, **given: str) -> subprocess.Popen[str]:
        log = self._folder / f"{module}.log"
        with log.open("a") as out:
            return subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=environment(**{**self._settings, **given}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def send(self, module: str = "fr_pacs", **given: str) -> dict[str, Any]:
        """Run a Fr-PACS until it exits and return its summary."""
        return self.start_sending(module, **given).summary(_END_S)

    def start_sending(self, module: str = "fr_pacs", **given: str) -> "Sending":
        """Start a Fr-PACS that ends by itself."""
        summary = self._folder / f"summary-{uuid.uuid4().hex[:6]}.json"
        running = self._run(module, SUMMARY=str(summary), **given)
        self._processes.append(running)
        return Sending(running, summary, lambda: self._processes.remove(running))

    def stop(self) -> None:
        """Stop all units, Fr-HUB last."""
        for running in reversed(self._processes):
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(30)
            running.kill()
            running.wait()
        self._processes.clear()


@contextlib.contextmanager
def units(bench: Bench, **given: str) -> Iterator[Units]:
    """Yield units to start on a new database; stop them all afterwards."""
    with bench.database() as database:
        all_of_it = Units(bench, database, **given)
        try:
            yield all_of_it
        finally:
            all_of_it.stop()


def checked(totals: dict[str, Any], wanted: int) -> dict[str, Any]:
    """Check that every scan got its report, and return the totals."""
    assert totals["complete"], f"not every scan got its report: {totals}"
    assert totals["delivered"] == wanted, totals
    return totals


def rate(totals: dict[str, Any]) -> Figures:
    """Delivered scans per second."""
    return {"scans/s": totals["delivered"] / totals["seconds"]}
