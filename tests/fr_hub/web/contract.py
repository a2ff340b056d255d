"""``python -m tests.fr_hub.web.contract``: the API as a process on a fresh MongoDB, called by
schemathesis in all ways that its OpenAPI document allows, and in ways that it does not.

EXAMPLES: calls of each operation (100); SEED: of what is drawn; OUT: file that gets the result.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2

from common.domain.measurement import MeasurementKind, NewMeasurement
from common.domain.patient import NewPatient
from common.domain.types import DEFAULT_TENANT, utc_now
from common.domain.user import Role
from common.store.db_manager import DBManager
from tests.factories import make_claimable, make_failed, make_reports, opened, own_mongod
from tests.processes import ROOT, start, stop
from tests.running import free_port, listens, until

STARTS_S = 120.0
DOCUMENT = "/api/v1/openapi.json"

LIVE = "/api/v1/events"
"""A stream, which does not end: ``tests/fr_hub/web/live`` has tests of it."""


@dataclass(frozen=True)
class Served:
    """A process of the API, and who may call it."""

    port: int
    token: str


@contextlib.contextmanager
def served(store: DBManager, folder: Path) -> Iterator[Served]:
    """The API on this store with something of each kind in it, and an administrator of it."""
    plant(store)
    store.users.add("contract", DEFAULT_TENANT, list(Role))
    token = store.tokens.add("contract", timedelta(hours=6))
    port = free_port()
    process = start(
        "fr_hub.web",
        folder / "web.log",
        MONGODB_URI=store.connection.uri,
        MONGODB_DATABASE=store.connection.name,
        WEB_PORT=str(port),
        DATA_DIR=str(folder / "data"),
        HUB_DISK_FREE_MIB="0",
    )
    try:
        until(lambda: listens(port), STARTS_S)
        # Schemathesis waits 10 s for the document, which is made at the first request.
        httpx2.get(f"http://127.0.0.1:{port}{DOCUMENT}", timeout=STARTS_S).raise_for_status()
        yield Served(port, token)
    finally:
        assert stop(process) == 0


def plant(store: DBManager) -> None:
    """Scans that are done, failed and waiting, a patient and a measurement; ``schemathesis.toml``
    has their ids."""
    for n in (1, 2):
        make_reports(store, 1, scan_id=f"scan-{n}")
    make_failed(store, 1)
    make_claimable(store, 1, scan_id="scan-3")
    store.patients.add(DEFAULT_TENANT, "patient-1", NewPatient(name="Eve"))
    weight = NewMeasurement(kind=MeasurementKind.WEIGHT, value=70, unit="kg", taken_at=utc_now())
    store.measurements.add(DEFAULT_TENANT, "patient-1", "measurement-1", weight)


def check(api: Served, folder: Path, examples: int, seed: int, *more: str) -> tuple[int, str]:
    """Run schemathesis; its exit code (0: it found nothing), and what it printed."""
    address = f"http://127.0.0.1:{api.port}"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"{address}{DOCUMENT}", "--url", address),
        *("--header", f"Authorization: Bearer {api.token}"),
        *("--max-examples", str(examples), "--seed", str(seed)),
        *("--no-color", "--request-timeout", "60"),
        # How fast values are drawn depends on what else the machine does.
        *("--suppress-health-check", "too_slow"),
        *("--exclude-path", LIVE),
        *more,
    ]
    ran = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return ran.returncode, ran.stdout + ran.stderr


def main() -> int:
    """Run all phases and print what was found."""
    examples, seed = (int(os.environ.get(n) or d) for n, d in (("EXAMPLES", 100), ("SEED", 1)))
    with (
        tempfile.TemporaryDirectory() as name,
        own_mongod(Path(name)) as mongod,
        opened(mongod.uri, "contract") as store,
        served(store, Path(name)) as api,
    ):
        code, text = check(api, Path(name), examples, seed)
    sys.stdout.write(text)
    if out := os.environ.get("OUT"):
        (ROOT / out).write_text(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
