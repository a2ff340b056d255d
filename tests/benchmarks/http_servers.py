"""Servers that the API is compared with: PostgreSQL, an API on FastAPI and Celery, Orthanc's REST
and DICOMweb."""

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.figures import Missing
from tests.benchmarks.peers.tables import TABLES
from tests.benchmarks.servers import process, redis
from tests.running import free_port, until

WORKERS = 2
_STARTS_S = 300.0
"""A busy machine takes minutes."""
_PLUGINS = Path("/usr/share/orthanc/plugins")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL as it is by default (``fsync`` and ``synchronous_commit`` on), and yield the
    address of a database. It does not run as root: then as the user ``postgres``.

    Raises:
        Missing: it is not installed.
    """
    as_user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="fr-bench-pg-") as name:
        folder = Path(name)
        if as_user:
            shutil.chown(folder, "postgres")
        data, port = folder / "data", free_port()
        made = [*as_user, _program("initdb"), "-D", str(data), "-A", "trust", "-U", "bench"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        arguments = [*as_user, _program("postgres"), "-D", str(data), "-p", str(port)]
        arguments += ["-h", "127.0.0.1", "-k", str(folder)]
        with process(arguments, folder / "postgres.log", port):
            yield f"postgresql://bench@127.0.0.1:{port}/postgres"


def _unprivileged() -> list[str]:
    if os.geteuid():
        return []
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam("postgres")
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    raise Missing("PostgreSQL does not run as root, and there is no user postgres")


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(installed[-1]) if installed else shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


@contextlib.contextmanager
def celery_api(folder: Path, workers: int = WORKERS) -> Iterator[str]:
    """Run FastAPI, Celery, Redis (append-only file, fsync always) and PostgreSQL, and yield the
    address of the API.

    Args:
        folder: for logs and data.
        workers: processes of Celery that analyse.

    Raises:
        Missing: one of them is not installed.
    """
    if find_spec("psycopg") is None or find_spec("celery") is None:
        raise Missing("psycopg or celery is not installed: see make bench")
    port = free_port()
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres())
        until(lambda: _made(database), _STARTS_S)
        queue = stack.enter_context(redis(folder / f"redis-{os.urandom(4).hex()}", "always"))
        given = {"BENCH_POSTGRES": database, "BENCH_REDIS": queue}
        worker = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.peers.http_tasks"]
        worker += ["worker", f"--concurrency={workers}", "--loglevel=error"]
        worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        stack.enter_context(process(worker, folder / "http-celery.log", 0, given))
        api = [sys.executable, "-m", "uvicorn", "tests.benchmarks.peers.http_api:api"]
        api += ["--port", str(port), "--no-access-log", "--log-level", "error"]
        stack.enter_context(process(api, folder / "http-api.log", port, given))
        yield f"http://127.0.0.1:{port}"


def _made(database: str) -> bool:
    """Make the tables; False while PostgreSQL is starting."""
    import psycopg

    try:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(TABLES)
    except psycopg.OperationalError:
        return False
    return True


@contextlib.contextmanager
def orthanc_http(folder: Path) -> Iterator[str]:
    """Run Orthanc with its DICOMweb plug-in, and yield its address. It writes files and its index
    with fsync (``SyncStorageArea``), as it does by default.

    Raises:
        Missing: it is not installed.
    """
    plugin = _PLUGINS / "libOrthancDicomWeb.so"
    if not plugin.exists():
        raise Missing("orthanc-dicomweb is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    dicom, web = free_port(), free_port()
    settings = {
        "Name": "bench",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "DicomPort": dicom,
        "HttpPort": web,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "SyncStorageArea": True,
        "Plugins": [str(plugin)],
        "DicomWeb": {"Enable": True},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with process(["Orthanc", str(folder / "orthanc.json")], folder / "orthanc.txt", web):
        yield f"http://127.0.0.1:{web}"
