"""Creating the declared collections and indexes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.migrations import declared
from common.store.migrations.declared import COLLECTIONS, INDEXES
from common.store.migrations.step import Work
from tests.factories import inside


@pytest.fixture
def work(store: DBManager) -> Work:
    return Work(store.connection.database)


def test_on_a_migrated_database_nothing_is_left(work: Work) -> None:
    assert (COLLECTIONS.pending(work), INDEXES.pending(work)) == (0, 0)


def test_notifications_are_capped_again(store: DBManager, work: Work) -> None:
    inside(store, Collection.NOTIFICATIONS).drop()
    inside(store, Collection.NOTIFICATIONS).insert_one({"what": "scan"})
    assert COLLECTIONS.pending(work) == 1
    COLLECTIONS.run(work)
    assert inside(store, Collection.NOTIFICATIONS).options()["capped"] is True
    assert inside(store, Collection.NOTIFICATIONS).find_one() is not None


def test_what_another_migration_has_just_created_is_not_dropped(
    store: DBManager, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifications = inside(store, Collection.NOTIFICATIONS)
    notifications.drop()
    listed = list(work.database.list_collections())
    COLLECTIONS.run(work)
    notifications.insert_one({"what": "scan"})
    monkeypatch.setattr(work.database, "list_collections", lambda: listed)
    COLLECTIONS.run(work)
    assert notifications.find_one({"what": "scan"}) is not None
    assert notifications.options()["capped"] is True


def test_indexes_of_earlier_releases_are_dropped(
    store: DBManager, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside(store).create_index([("old", 1)], name="old")
    inside(store).create_index([("theirs", 1)], name="theirs")
    monkeypatch.setattr(declared, "FORMER_INDEXES", {Collection.SCANS: frozenset({"old"})})
    assert INDEXES.pending(work) == 1
    INDEXES.run(work)
    names = inside(store).index_information()
    assert "old" not in names
    assert "theirs" in names


def test_several_create_the_same_indexes_at_once(store: DBManager, work: Work) -> None:
    for name in Collection:
        inside(store, name).drop_indexes()
    inside(store).create_index([("fence", 1)], name="queue")  # another definition
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(INDEXES.run, [work] * 4))
    assert store.schema.differences().missing == ()
    assert store.schema.differences().unexpected == ()
