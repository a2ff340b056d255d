"""What all tests share: a real MongoDB, and a fresh database in it for each test."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from common.store.db_manager import DBManager
from tests.databases import Databases
from tests.markers import long_by_sample, markers_of
from tests.mongo import NotHere, Server, drop, mongodb

_held = ExitStack()
_server = pytest.StashKey[Server]()
_databases = pytest.StashKey[Databases]()


def pytest_report_header(config: pytest.Config) -> str:
    if config.option.collectonly or config.option.markexpr.startswith("unit"):
        return ""
    return f"mongodb: {_mongodb(config).name}"


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            for marker in markers_of(item):
                item.add_marker(marker)
    for item in long_by_sample(items):
        item.add_marker("long")


def pytest_unconfigure() -> None:
    _held.close()


def _mongodb(config: pytest.Config) -> Server:
    if _server not in config.stash:
        try:
            config.stash[_server] = mongodb(_held)
        except NotHere as error:
            raise pytest.UsageError(f"no MongoDB for the tests: {error}") from error
    return config.stash[_server]


@pytest.fixture(scope="session")
def mongodb_uri(pytestconfig: pytest.Config) -> str:
    return _mongodb(pytestconfig).uri


@pytest.fixture
def database(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, mongodb_uri: str
) -> Iterator[str]:
    """A database's name. With the fixture ``store`` it is migrated and as new, else it does not
    exist yet and is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    if "store" not in request.fixturenames:
        yield name
        drop(mongodb_uri, name)
        return
    if _databases not in pytestconfig.stash:
        pytestconfig.stash[_databases] = Databases(mongodb_uri)
        _held.callback(pytestconfig.stash[_databases].close)
    with pytestconfig.stash[_databases].lent(name) as lent:
        yield lent


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    """A store on a migrated database that is as new; closed afterwards."""
    with closing(DBManager(mongodb_uri, database, 10.0)) as store:
        yield store
