"""Servers for the benchmark: MongoDB, Redis, storescp and Orthanc. All listen on loopback and keep
their data in the folder of the benchmark."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from common.mongod.embedded import RunningMongod, find_mongod, start_mongod
from tests.benchmarks.figures import Missing
from tests.running import free_port, listens, until

_START_S = 300.0
"""A busy machine takes minutes."""
_TUNED = {"TCP_NODELAY": "1"}  # without it, DCMTK waits 40 ms per slice


@contextlib.contextmanager
def mongod(folder: Path) -> Iterator[RunningMongod]:
    """The MongoDB that Fr and all peers of a run share."""
    running = start_mongod(folder, find_mongod())
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def process(
    arguments: list[str], log: Path, port: int, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that listens on ``port`` (0: none); stop it with its children afterwards.

    Raises:
        Missing: the program is not installed.
    """
    program = shutil.which(arguments[0])
    if program is None:
        raise Missing(f"{arguments[0]} is not installed")
    with log.open("ab") as out:
        running = subprocess.Popen(
            [program, *arguments[1:]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    try:
        if port:
            until(lambda: listens(port) or running.poll() is not None, _START_S)
            assert running.poll() is None, f"{arguments[0]} exited, see {log}"
        yield running
    finally:
        end(running)


def end(running: subprocess.Popen[bytes]) -> None:
    """Stop a process and its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(running.pid).children(recursive=True)
        running.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(10)
        for one in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    running.kill()
    running.wait()


@contextlib.contextmanager
def redis(folder: Path, fsync: str) -> Iterator[str]:
    """Run Redis with an append-only file and yield its URL; ``fsync``: always or everysec."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    arguments = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    arguments += ["--appendonly", "yes", "--appendfsync", fsync, "--save", ""]
    with process(arguments, folder / "redis.log", port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """Run DCMTK's storescp, which writes each slice to a file, and yield its port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    arguments = ["storescp", "-od", str(folder), "--fork", "-pm", str(port)]
    with process(arguments, folder / "storescp.txt", port, _TUNED):
        yield port


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[int]:
    """Run Orthanc with default index and storage only, and yield its DICOM port."""
    folder.mkdir(parents=True, exist_ok=True)
    port, web = free_port(), free_port()
    settings = {
        "Name": "bench",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "DicomPort": port,
        "HttpPort": web,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "RemoteAccessAllowed": False,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with process(["Orthanc", str(folder / "orthanc.json")], folder / "orthanc.txt", port, _TUNED):
        yield port


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other
