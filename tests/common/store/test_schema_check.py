"""The database compared with the schema: what is missing, and what does not belong there."""

from contextlib import closing
from typing import Any

import pytest

from common.errors import SchemaNewer, SchemaOlder
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.schema import SCHEMA_VERSION, Index
from common.store.schema_check import compare_indexes
from tests.factories import inside, migrate


def test_a_migrated_database_has_no_differences(store: DBManager) -> None:
    found = store.schema.differences()
    assert (found.version, found.missing, found.unexpected) == (SCHEMA_VERSION, (), ())
    store.schema.require()


def test_an_empty_database_must_be_migrated(mongodb_uri: str, database: str) -> None:
    with closing(DBManager(mongodb_uri, database)) as store:
        assert store.schema.version() == 0
        with pytest.raises(SchemaOlder, match=r"is empty.*make migrate"):
            store.schema.require()


def test_a_database_without_a_version_is_of_an_earlier_release(store: DBManager) -> None:
    inside(store, Collection.META).drop()
    assert store.schema.version() == 1
    with pytest.raises(
        SchemaOlder, match=rf"version 1, .* needs version {SCHEMA_VERSION}: stop all units"
    ):
        store.schema.require()


def test_a_newer_database_is_refused_whatever_else_it_lacks(store: DBManager) -> None:
    inside(store).drop_indexes()
    inside(store, Collection.META).update_one({}, {"$set": {"version": SCHEMA_VERSION + 1}})
    with pytest.raises(SchemaNewer, match="restore the backup"):
        store.schema.require()


def test_a_missing_index_and_a_missing_collection_are_named(store: DBManager) -> None:
    inside(store).drop_index("queue")
    inside(store, Collection.UPLOADS).drop()
    with pytest.raises(SchemaOlder, match=r"collection brain_uploads.*: run make migrate") as error:
        store.schema.require()
    assert "index brain_scans.queue" in str(error.value)
    migrate(store.connection.uri, store.connection.name)
    store.schema.require()


def test_an_index_of_the_declared_name_with_another_definition_is_replaced(
    store: DBManager,
) -> None:
    inside(store).drop_index("queue")
    inside(store).create_index([("report_generated", 1)], name="queue", expireAfterSeconds=9)
    found = store.schema.differences()
    assert found.missing == ("index brain_scans.queue",)
    assert "removes documents" in found.unexpected[0]
    migrate(store.connection.uri, store.connection.name)
    assert store.schema.differences().unexpected == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"expireAfterSeconds": 1}, "removes documents"),
        ({"unique": True}, "refuses documents"),
        ({}, "drop it, or declare it"),
    ],
    ids=["expiring", "unique", "unknown"],
)
def test_an_index_that_nobody_declared_is_unexpected(
    store: DBManager, options: dict[str, Any], said: str
) -> None:
    inside(store, Collection.AUDIT).create_index([("at", 1)], name="extra", **options)
    [unexpected] = store.schema.differences().unexpected
    assert unexpected.startswith("index brain_audit.extra")
    assert said in unexpected
    store.schema.require()  # it is verify's to report, and no reason to stop


def test_a_collection_of_another_kind_is_unexpected(store: DBManager) -> None:
    database = store.connection.database
    inside(store, Collection.REPORTS).drop()
    database.create_collection(Collection.REPORTS, viewOn=Collection.HISTORY, pipeline=[])
    inside(store, Collection.UPLOADS).drop()
    database.create_collection(Collection.UPLOADS, capped=True, size=4096)
    inside(store, Collection.NOTIFICATIONS).drop()
    database.create_collection(Collection.NOTIFICATIONS)
    assert set(store.schema.differences().unexpected) == {
        "brain_reports is a view, not a collection",
        "brain_uploads is capped, so it removes documents",
        "wake_ups is not capped",
    }


def test_indexes_are_compared_by_name_keys_and_filter() -> None:
    declared = [Index("a", (("x", 1),)), Index("b", (("y", 1),), partial={"z": 1})]
    found = [
        {"v": 2, "key": {"_id": 1}, "name": "_id_"},
        {"v": 2, "key": {"x": 1}, "name": "a"},
        {"v": 2, "key": {"y": 1}, "name": "b"},
    ]
    assert compare_indexes(declared, found) == (["b"], ["b (drop it, or declare it)"])
