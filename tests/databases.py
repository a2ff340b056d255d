"""Migrated databases that tests use one after the other.

Its collections and indexes take 0.2 s of processor time to make, its documents some milliseconds to
remove. A database whose collections or indexes a test has changed is dropped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo.database import Database

from tests.factories import migrate
from tests.mongo import drop

_Structure = dict[str, Any]
_Contents = dict[str, list[Any]]


class Databases:
    """The migrated databases of a server, for one process."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            uri, timeoutMS=10_000
        )
        self._free: list[str] = []
        self._made: dict[str, tuple[_Structure, _Contents]] = {}

    def close(self) -> None:
        """Remove them."""
        for name in self._made:
            drop(self._uri, name)
        self._client.close()

    @contextmanager
    def lent(self, fresh: str) -> Iterator[str]:
        """The name of a database as new; it is made under the name ``fresh`` if none is free."""
        name = self._free.pop() if self._free else fresh
        if name == fresh:
            migrate(self._uri, name)
            database = self._client[name]
            self._made[name] = _structure(database), _contents(database)
        else:
            self._restore(name)
        try:
            yield name
        finally:
            if _structure(self._client[name]) == self._made[name][0]:
                self._free.append(name)
            else:
                del self._made[name]
                drop(self._uri, name)

    def _restore(self, name: str) -> None:
        """Make the documents as they were at first. Not before: something may still be written by
        what a test has stopped."""
        structure, contents = self._made[name]
        database = self._client[name]
        for collection in structure:
            database[collection].delete_many({})
        for collection, documents in contents.items():
            database[collection].insert_many(documents)


def _structure(database: Database[dict[str, Any]]) -> _Structure:
    """The collections, each with its options and indexes. An index that ever held an array is told
    apart: it alone no longer answers a query, even when it is empty again."""
    return {
        found["name"]: (
            {key: value for key, value in found.items() if key != "info"},
            found["info"].get("uuid"),
            found["type"] == "collection" and _indexes(database, found["name"]),
        )
        for found in database.list_collections()
    }


def _indexes(database: Database[dict[str, Any]], collection: str) -> list[Any]:
    [entry] = database[collection].aggregate([{"$listCatalog": {}}])
    return [(index["spec"], index["multikey"]) for index in entry["md"]["indexes"]]


def _contents(database: Database[dict[str, Any]]) -> _Contents:
    found = {name: list(database[name].find()) for name in database.list_collection_names()}
    return {name: documents for name, documents in found.items() if documents}
