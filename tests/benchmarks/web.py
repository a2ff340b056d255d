"""Fr's API for a benchmark, and clients of it."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import httpx2

from common.domain.types import DEFAULT_TENANT
from common.domain.user import Role
from common.store.db_manager import DBManager
from tests.benchmarks.units import Bench, Units
from tests.running import free_port, listens, until

TIMEOUT_S = 300.0
_STARTS_S = 300.0


@contextlib.contextmanager
def served(
    bench: Bench, running: Units, count: int = 1, role: Role = Role.CLINICIAN
) -> Iterator[list[httpx2.Client]]:
    """An API on the database of these units, and clients of so many users with this role."""
    port = free_port()
    data = bench.folder / f"web-{running.database}"
    running.start("fr_hub.web", WEB_PORT=str(port), DATA_DIR=str(data), HUB_DISK_FREE_MIB="0")
    until(lambda: listens(port), _STARTS_S)
    with (
        contextlib.closing(DBManager(bench.uri, running.database, 60.0)) as store,
        contextlib.ExitStack() as stack,
    ):
        clients = []
        for n in range(count):
            store.users.add(f"user-{n}", DEFAULT_TENANT, [role])
            token = store.tokens.add(f"user-{n}", timedelta(hours=6))
            client = httpx2.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=TIMEOUT_S,
            )
            clients.append(stack.enter_context(client))
        yield clients
