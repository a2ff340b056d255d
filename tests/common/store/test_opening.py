"""Opening the store, and waiting for it."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from structlog.testing import capture_logs

from common.errors import SchemaNewer, SettingsError, StoreError, StoreRefused, StoreUnavailable
from common.mongod.embedded import find_mongod
from common.runtime.logger import AvailabilityLog
from common.settings.base import StoreSettings
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from common.store.opening import open_store, retrying_store, wait_for_store
from common.store.schema import SCHEMA_VERSION
from tests.factories import inside, make_scan, migrate, own_mongod

NOBODY_LISTENS = "mongodb://127.0.0.1:1/"


@pytest.fixture
def away() -> Iterator[DBManager]:
    """A store whose MongoDB is unreachable."""
    with contextlib.closing(DBManager(NOBODY_LISTENS, "fr", timeout_s=0.05)) as store:
        yield store


def settings(uri: str | None, database: str = "fr", data_dir: Path = Path("none")) -> StoreSettings:
    return StoreSettings.model_construct(
        mongodb_uri=None if uri is None else SecretStr(uri),
        mongodb_database=database,
        mongodb_timeout_s=10.0,
        data_dir=data_dir,
        fr_mongod=find_mongod() if uri is None else None,
    )


def test_the_store_that_the_settings_name_is_opened_and_closed(
    mongodb_uri: str, database: str
) -> None:
    migrate(mongodb_uri, database)
    with open_store(settings(mongodb_uri, database)) as store:
        assert store.scans.add([NewScan(*make_scan())]) == [Added.STORED]
        assert store.connection.uri == mongodb_uri
    with pytest.raises(StoreError):
        store.queries.count_states()


def test_without_a_uri_the_embedded_one_is_opened_and_keeps_its_scans(tmp_path: Path) -> None:
    for known in (0, 1):
        with open_store(settings(None, data_dir=tmp_path)) as store, capture_logs():
            assert wait_for_store(store, threading.Event(), structlog.get_logger())
            assert store.queries.count_states()["To Do"] == known
            store.scans.add([NewScan(*make_scan(scan_id=f"scan-{known}"))])


def test_a_store_is_closed_when_its_use_fails(mongodb_uri: str, database: str) -> None:
    with pytest.raises(KeyError), open_store(settings(mongodb_uri, database)) as store:
        raise KeyError
    with pytest.raises(StoreError):
        store.queries.count_states()


def test_a_wrong_uri_is_reported_when_the_store_is_opened() -> None:
    with pytest.raises(SettingsError, match="MONGODB_URI"), open_store(settings("mongodb://")):
        pass


# --- waiting -------------------------------------------------------------------------------------


def test_a_store_is_made_ready_and_its_version_logged(mongodb_uri: str, database: str) -> None:
    migrate(mongodb_uri, database)
    with open_store(settings(mongodb_uri, database)) as store, capture_logs() as logs:
        for _ in range(2):
            assert wait_for_store(store, threading.Event(), structlog.get_logger())
    assert [line["event"] for line in logs] == ["connected to MongoDB"] * 2
    assert logs[0]["version"][0].isdigit()


def test_stores_that_are_made_ready_at_once_are_all_ready(mongodb_uri: str, database: str) -> None:
    def ready(_: int) -> bool:
        with closing(DBManager(mongodb_uri, database, is_embedded=True)) as store:
            return wait_for_store(store, threading.Event(), structlog.get_logger())

    with capture_logs(), ThreadPoolExecutor(6) as threads:
        assert all(threads.map(ready, range(6)))


def test_an_unreachable_mongodb_is_waited_for_and_logged_once(tmp_path: Path) -> None:
    with own_mongod(tmp_path) as running:
        uri = running.uri
    told = threading.Event()
    attempts = 0

    class Counting(DBManager):
        def check_schema(self) -> str:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                told.set()
            return super().check_schema()

    with (
        closing(Counting(uri, "fr", timeout_s=0.5, is_embedded=True)) as store,
        capture_logs() as logs,
        ThreadPoolExecutor(1) as thread,
    ):
        ready = thread.submit(wait_for_store, store, threading.Event(), structlog.get_logger())
        assert told.wait(20)
        with own_mongod(tmp_path):
            assert ready.result(20)
    assert [line["event"] for line in logs] == [
        "MongoDB is unreachable, retrying",
        "connected to MongoDB",
    ]


def test_a_unit_waits_until_an_administrator_has_migrated_and_says_so_once(
    mongodb_uri: str, database: str
) -> None:
    waited = threading.Event()
    looked = 0

    class Counting(DBManager):
        def check_schema(self) -> str:
            nonlocal looked
            looked += 1
            if looked == 3:
                waited.set()
            return super().check_schema()

    with (
        closing(Counting(mongodb_uri, database)) as store,
        capture_logs() as logs,
        ThreadPoolExecutor(1) as thread,
    ):
        ready = thread.submit(wait_for_store, store, threading.Event(), structlog.get_logger())
        assert waited.wait(60)
        assert not store.connection.database.list_collection_names()  # it created nothing
        migrate(mongodb_uri, database)
        assert ready.result(60)
    assert [line["event"] for line in logs] == [
        "waiting until the database is migrated",
        "connected to MongoDB",
    ]
    assert "make migrate" in logs[0]["reason"]


def test_a_unit_that_waits_for_a_migration_can_be_stopped(mongodb_uri: str, database: str) -> None:
    stop = threading.Event()
    stop.set()
    with closing(DBManager(mongodb_uri, database)) as store, capture_logs():
        assert not wait_for_store(store, stop, structlog.get_logger())


def test_a_unit_refuses_the_database_of_a_newer_release(store: DBManager) -> None:
    inside(store, Collection.META).update_one({}, {"$set": {"version": SCHEMA_VERSION + 1}})
    for embedded in (False, True):
        store.is_embedded = embedded
        with pytest.raises(SchemaNewer, match="install the release"):
            wait_for_store(store, threading.Event(), structlog.get_logger())


def test_waiting_ends_when_it_is_time_to_stop(away: DBManager) -> None:
    stop = threading.Event()
    with capture_logs(), ThreadPoolExecutor(1) as thread:
        ready = thread.submit(wait_for_store, away, stop, structlog.get_logger())
        stop.set()
        assert ready.result(5) is False


def test_when_it_is_time_to_stop_the_last_error_is_raised(away: DBManager) -> None:
    stop = threading.Event()
    stop.set()
    with capture_logs() as logs, pytest.raises(StoreUnavailable):
        retrying_store(stop, AvailabilityLog(structlog.get_logger(), "MongoDB"))(
            away.queries.count_states
        )
    assert [line["event"] for line in logs] == ["MongoDB is unreachable, retrying"]


def test_a_refusal_is_not_waited_for() -> None:
    calls = 0

    def refused() -> None:
        nonlocal calls
        calls += 1
        raise StoreRefused("no")

    with pytest.raises(StoreRefused), capture_logs() as logs:
        retrying_store(threading.Event(), AvailabilityLog(structlog.get_logger(), "MongoDB"))(
            refused
        )
    assert (calls, logs) == (1, [])
