"""The store as a whole: its parts, its indexes, its end."""

from contextlib import closing

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.schema import QUEUE
from tests.factories import inside, make_claimable, migrate


def test_migrating_again_changes_nothing(store: DBManager) -> None:
    names = {name: inside(store, name).index_information() for name in Collection}
    migrate(store.connection.uri, store.connection.name)
    assert {name: inside(store, name).index_information() for name in Collection} == names


def test_a_store_tells_the_servers_version(store: DBManager) -> None:
    assert store.check_schema().count(".") == 2


def test_indexes_of_waiting_work_hold_nothing_else(store: DBManager) -> None:
    for name in (QUEUE, "in_progress", "set_aside"):
        assert "partialFilterExpression" in inside(store).index_information()[name]


def test_what_one_store_writes_another_reads(
    store: DBManager, mongodb_uri: str, database: str
) -> None:
    [scan] = make_claimable(store, 1)
    with closing(DBManager(mongodb_uri, database)) as other:
        [claim] = other.claims.claim("a", 1, 60)
    assert claim.scan == scan


def test_closing_twice_is_no_error(mongodb_uri: str, database: str) -> None:
    store = DBManager(mongodb_uri, database)
    store.close()
    store.close()
