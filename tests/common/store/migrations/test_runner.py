"""Running migrations: from nothing, again, at once, and stopped."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from common.errors import SchemaNewer, StoreUnavailable
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.migrations.runner import Migrator
from common.store.schema import SCHEMA_VERSION
from tests.factories import inside, make_claimable


def test_an_empty_database_is_migrated_soon(mongodb_uri: str, database: str) -> None:
    began = time.monotonic()
    with Migrator(mongodb_uri, database) as migrator:
        assert migrator.version() == 0
        assert [step.name for step in migrator.plan()] == ["collections", "indexes"]
        assert migrator.apply()
        assert migrator.version() == SCHEMA_VERSION
        assert migrator.plan() == []
    assert time.monotonic() - began < 10  # thousands of tests do this
    with closing(DBManager(mongodb_uri, database)) as store:
        store.schema.require()


def test_several_migrate_an_empty_database_at_once(mongodb_uri: str, database: str) -> None:
    def migrated(_: int) -> bool:
        with Migrator(mongodb_uri, database) as migrator:
            return migrator.apply()

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(migrated, range(4)))
    with closing(DBManager(mongodb_uri, database)) as store:
        found = store.schema.differences()
    assert (found.version, found.missing, found.unexpected) == (SCHEMA_VERSION, (), ())


def test_a_migration_that_is_stopped_leaves_the_version(mongodb_uri: str, database: str) -> None:
    stop = threading.Event()
    stop.set()
    with Migrator(mongodb_uri, database, stop=stop) as migrator:
        assert not migrator.apply()
        assert migrator.version() == 1  # it has collections by now, and no version
        assert migrator.is_new()
        stop.clear()
        assert migrator.apply()


def test_a_database_with_a_document_is_not_new(store: DBManager) -> None:
    with Migrator(store.connection.uri, store.connection.name) as migrator:
        assert migrator.is_new()
        make_claimable(store, 1)
        assert not migrator.is_new()


def test_a_newer_database_is_left_alone(store: DBManager) -> None:
    inside(store, Collection.META).update_one({}, {"$set": {"version": SCHEMA_VERSION + 1}})
    inside(store).drop_indexes()
    with Migrator(store.connection.uri, store.connection.name) as migrator:
        for call in (migrator.version, migrator.plan, migrator.apply):
            with pytest.raises(SchemaNewer):
                call()
    assert list(inside(store).index_information()) == ["_id_"]


def test_an_unreachable_mongodb_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.store.migrations.runner._SELECTION_MS", 200)
    with Migrator("mongodb://127.0.0.1:1/", "fr") as migrator, pytest.raises(StoreUnavailable):
        migrator.apply()
