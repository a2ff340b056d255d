"""Which MongoDB the tests run on.

In this order: the one that TEST_MONGODB_URI names; a container of TEST_MONGODB_IMAGE, where a
Docker-compatible engine answers; the embedded one. TEST_MONGODB=uri|container|embedded asks for
one of them: then it is an error not to get it.

Its data are in memory where possible: each test makes a database, and a disk would sync each
of its collections and indexes. Tests of what survives a kill or a full disk start a server that
has its data on a disk.
"""

import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pymongo

from common.mongod.embedded import find_mongod, start_mongod

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_IMAGE = "mongo:7.0"
_MONGOD = "mongod --bind_ip_all --quiet --setParameter diagnosticDataCollectionEnabled=false"
_ENGINE_FOUND_S = 1  # where none was asked for, the embedded MongoDB is soon there
_ENGINE_ANSWERS_S = 60  # one that was asked for may be starting on a busy machine
_SERVER_ANSWERS_S = 60.0
_DATA_BYTES = 4 << 30


class NotHere(Exception):
    """This kind of MongoDB cannot be had here: no error where another one can be."""


@dataclass(frozen=True)
class Server:
    """A MongoDB to test on, and how to call it in the header."""

    uri: str
    name: str


def mongodb(stack: ExitStack) -> Server:
    """Have the MongoDB of this test run, until the stack is closed."""
    wanted = os.environ.get("TEST_MONGODB", "")
    if wanted and wanted not in _KINDS:
        raise NotHere(f"TEST_MONGODB is one of {', '.join(_KINDS)}, not {wanted!r}")
    missing: list[str] = []
    for kind in [wanted] if wanted else _KINDS:
        try:
            server = stack.enter_context(_KINDS[kind]())
        except NotHere as error:
            if wanted:
                raise
            missing.append(str(error))
        else:
            because = f" ({', '.join(missing)})" if missing else ""
            return Server(server.uri, f"{server.name} {version(server.uri)}{because}")
    raise AssertionError("the embedded one comes or raises")


def version(uri: str, within: float = 10.0) -> str:
    """Return the version of the server, once it answers."""
    with pymongo.MongoClient[dict[str, object]](
        uri, serverSelectionTimeoutMS=int(within * 1000)
    ) as client:
        return str(client.server_info()["version"])


def drop(uri: str, database: str) -> None:
    """Remove a test's database."""
    with pymongo.MongoClient[dict[str, object]](uri, timeoutMS=10_000) as client:
        client.drop_database(database)


@contextmanager
def _named() -> Iterator[Server]:
    uri = os.environ.get("TEST_MONGODB_URI")
    if not uri:
        raise NotHere("TEST_MONGODB_URI is not set")
    yield Server(uri, "MongoDB of TEST_MONGODB_URI")


@contextmanager
def _embedded() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="fr-", dir=_memory()) as folder:
        with warnings.catch_warnings():  # Python 3.12 warns of preexec_fn
            warnings.filterwarnings("ignore", "This process .*multi-threaded", DeprecationWarning)
            running = start_mongod(Path(folder), find_mongod(), stop_with_parent=True)
        try:
            yield Server(running.uri, "embedded MongoDB")
        finally:
            running.stop()


def _memory() -> Path | None:
    """A folder in memory with enough space; None if there is none."""
    folder = Path("/dev/shm")  # noqa: S108 - the folder in it is private
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < _DATA_BYTES:
        return None
    return folder


@contextmanager
def _container() -> Iterator[Server]:
    with _quiet_libraries():
        from docker.errors import DockerException  # type: ignore[import-untyped]
        from testcontainers.core.container import DockerContainer

        asked_for = os.environ.get("TEST_MONGODB") == "container"
        if not _engine_answers(_ENGINE_ANSWERS_S if asked_for else _ENGINE_FOUND_S):
            raise NotHere("no container engine answers")
        image = os.environ.get("TEST_MONGODB_IMAGE", _IMAGE)
        container = DockerContainer(image).with_exposed_ports(27017).with_command(_MONGOD)
        container.with_tmpfs_mount("/data/db")
        try:
            container.start()
        except (DockerException, OSError) as error:
            container.get_docker_client().client.close()
            raise NotHere(f"no container of {image}: {error}") from error
        try:
            host, port = container.get_container_host_ip(), container.get_exposed_port(27017)
            uri = f"mongodb://{host}:{port}/?directConnection=true"
            version(uri, _SERVER_ANSWERS_S)
        except BaseException:
            _remove(container)
            raise
    try:
        yield Server(uri, f"container of {image}, MongoDB")
    finally:
        with _quiet_libraries():
            _remove(container)


def _engine_answers(within_s: int) -> bool:
    from docker.errors import DockerException
    from testcontainers.core.docker_client import DockerClient

    try:
        engine = DockerClient(timeout=within_s).client
        try:
            return bool(engine.ping())
        finally:
            engine.close()
    except (DockerException, OSError):
        return False
    finally:
        gc.collect()  # a client that could not connect leaves a socket to the collector


def _remove(container: "DockerContainer") -> None:
    container.stop()
    container.get_docker_client().client.close()


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep what the libraries warn of about themselves from failing a test."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module="docker|testcontainers"
        )
        warnings.filterwarnings("ignore", "unclosed", category=ResourceWarning)
        yield


_KINDS = {"uri": _named, "container": _container, "embedded": _embedded}
