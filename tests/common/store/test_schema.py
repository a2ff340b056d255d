"""The declaration of the database's schema."""

import pytest

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.schema import DECLARED, NOT_NEWER, SCHEMA_VERSION, Index
from tests.factories import inside, make_scan


def test_every_collection_is_declared() -> None:
    assert set(DECLARED) == set(Collection)


@pytest.mark.parametrize("name", Collection)
def test_the_names_of_a_collections_indexes_differ(name: Collection) -> None:
    names = [index.name for index in DECLARED[name].indexes]
    assert len(set(names)) == len(names)


def test_an_index_is_specified_as_mongodb_lists_it() -> None:
    index = Index("some", (("a", 1), ("b", -1)), partial={"c": False}, sparse=True)
    assert index.specification == {
        "name": "some",
        "key": {"a": 1, "b": -1},
        "partialFilterExpression": {"c": False},
        "sparse": True,
    }


def test_documents_of_a_newer_release_are_left_to_it(store: DBManager) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    for version, readable in ((None, 1), (1, 1), (SCHEMA_VERSION, 1), (SCHEMA_VERSION + 1, 0)):
        inside(store).update_one({}, {"$set": {"schema": version}})
        assert inside(store).count_documents(NOT_NEWER) == readable
