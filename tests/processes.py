"""Units as processes of their own, as a user runs them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from tests.running import SECRET, free_port, hub_settings, listens, until

ROOT = Path(__file__).resolve().parent.parent


def environment(**given: str) -> dict[str, str]:
    """This process' environment without a user's own settings, with the given ones.

    All units have one secret, unless it is given; an empty one is none."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "LANG", "TMPDIR") or name.startswith(("COVERAGE", "PYTHON"))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", "SHARED_SECRET": SECRET, **given}


def start(module: str, log: Path | None = None, **given: str) -> subprocess.Popen[str]:
    """``python -m module`` with these settings; its output goes to ``log``."""
    with (log or Path(os.devnull)).open("a") as out:
        return subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment(**given),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )


def stop(process: subprocess.Popen[str], within_s: float = 30) -> int:
    """SIGTERM, and its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    return process.wait(within_s)


@contextlib.contextmanager
def hub_process(
    store: DBManager, settings: HubSettings | None = None, **given: str
) -> Iterator[tuple[HubSettings, int]]:
    """Fr-HUB on the store of a test: its settings and its process id."""
    settings = settings or hub_settings()
    known = (f"{name}={host}:{port}" for name, (host, port) in settings.hub_pacs.items())
    process = start(
        "fr_hub",
        None,
        MONGODB_URI=store.connection.uri,
        MONGODB_DATABASE=store.connection.name,
        HUB_PORT=str(settings.hub_port),
        HUB_PACS=",".join(known),
        **given,
    )
    try:
        until(lambda: listens(settings.hub_port), 30)
        yield settings, process.pid
    finally:
        assert stop(process) == 0


def ports() -> dict[str, str]:
    """Settings of a Fr-PACS and a Fr-HUB that know each other, on free ports."""
    hub, pacs = free_port(), free_port()
    return {
        "HUB_PORT": str(hub),
        "PACS_PORT": str(pacs),
        "HUB_PACS": f"pacs-1=127.0.0.1:{pacs}",
    }


def peak_memory_mib(pid: int) -> float:
    """The most memory that a process has had, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no such process")
