"""ECGs by HTTP, from the request to their insights, by number of workers."""

import contextlib
import json
from collections.abc import Callable

import httpx2

from common.domain.user import Role
from fr_pacs.sources.ecg.model import TWELVE
from fr_pacs.sources.ecg.source import SAMPLING_RATE_HZ, make_samples
from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.http_clients import CLIENTS, to_reports
from tests.benchmarks.http_servers import celery_api
from tests.benchmarks.units import Bench, units
from tests.benchmarks.web import TIMEOUT_S, served

SHAPE = (5000, 12)
"""Ten seconds of 12 leads."""

_JSON = {"Content-Type": "application/json"}
_WARM_UP_SEED, _SEED = 7, 1


def ours(workers: int) -> str:
    """Subject name of Fr."""
    return f"Fr, {_workers(workers)}"


def peer(workers: int) -> str:
    """Subject name of the peer."""
    return f"FastAPI + Celery + Redis + PostgreSQL, {_workers(workers)}"


def _workers(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"


def ecg_bodies(count: int, seed: int) -> list[bytes]:
    """ECGs as JSON, in mV with a resolution of 1 uV, each another one."""
    bodies = []
    for index in range(count):
        samples = make_samples(seed, index, SHAPE).astype(float).round(3)
        leads = [
            {"name": name, "signal": samples[:, number].tolist()}
            for number, name in enumerate(TWELVE)
        ]
        bodies.append(json.dumps({"leads": leads, "sampling_rate_hz": SAMPLING_RATE_HZ}).encode())
    return bodies


class Ecgs:
    """ECGs of several users, each until its insights can be read."""

    name = "ecgs"
    title = "ECGs of 10 s and 12 leads by HTTP, from the request to the insights"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 1 if bench.quick else 3
        self._count = 40 if bench.quick else 400
        self._workers = (1, 4) if bench.quick else (1, 2, 4, 8, 16, 32, 64)
        self._bodies: dict[tuple[int, int], list[bytes]] = {}
        self.goals = tuple(
            Goal(f"Fr over its peer, ECGs, {_workers(n)}", (ours(n), "ECGs/s"),
                 (peer(n), "ECGs/s"), 1, 2)
            for n in self._workers
        )  # fmt: skip

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Fr and the peer with each number of workers."""
        subjects: dict[str, Callable[[], Figures]] = {}
        for count in self._workers:
            subjects[ours(count)] = lambda count=count: self.fr(count)  # type: ignore[misc]
            subjects[peer(count)] = lambda count=count: self.peer(count)  # type: ignore[misc]
        return subjects

    def close(self) -> None:
        """Nothing to release."""

    def fr(self, workers: int) -> Figures:
        """Fr: each client is another user."""
        with units(self._bench) as running:
            running.start("fr_brain", BRAIN_PROCESSES=str(workers))
            with served(self._bench, running, CLIENTS, Role.SUBMITTER) as clients:
                return self._measured(clients, workers, "/api/v1/ecgs")

    def peer(self, workers: int) -> Figures:
        """The same ECGs, analyzer, clients and durability."""
        with celery_api(self._bench.folder, workers) as address, contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(httpx2.Client(base_url=address, timeout=TIMEOUT_S))
                for _ in range(CLIENTS)
            ]
            return self._measured(clients, workers, "/ecgs")

    def _measured(self, clients: list[httpx2.Client], workers: int, path: str) -> Figures:
        def send(bodies: list[bytes]) -> Figures:
            return to_reports(
                bodies,
                clients,
                lambda client, body: client.post(path, content=body, headers=_JSON),
                lambda answer: str(answer.json()["id"]),
                f"{path}/{{key}}/insights",
            )

        # So that each worker has started, and has imported the analyzer.
        send(self._ecgs(max(2 * workers, CLIENTS), _WARM_UP_SEED))
        found = send(self._ecgs(self._count, _SEED))
        return {"ECGs/s": found.pop("scans/s"), **found}

    def _ecgs(self, count: int, seed: int) -> list[bytes]:
        if (count, seed) not in self._bodies:
            self._bodies[count, seed] = ecg_bodies(count, seed)
        return self._bodies[count, seed]
