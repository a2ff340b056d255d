"""The table of users, collections and operations, tried on a MongoDB with access control."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pymongo
from pymongo.database import Database

UNAUTHORIZED = 13


def passes(operation: Callable[[], object]) -> bool:
    """Whether MongoDB lets this user do it."""
    try:
        operation()
    except pymongo.errors.OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return False
    return True


def operations(database: Database[dict[str, Any]], collection: str) -> dict[str, Any]:
    """One of each kind on documents, by the name of the privilege."""
    documents = database[collection]
    nobody = {"_id": "nobody-has-this-id"}
    return {
        "find": lambda: documents.find_one(nobody),
        "insert": lambda: documents.insert_one({"what": "test"}),
        "update": lambda: documents.update_one(nobody, {"$set": {"what": "x"}}),
        "remove": lambda: documents.delete_one(nobody),
    }


def changes(database: Database[dict[str, Any]], collection: str) -> list[Callable[[], object]]:
    """What no unit may do to any collection: create, drop or change it or its indexes."""
    documents = database[collection]
    commands: list[dict[str, Any]] = [
        {"createIndexes": collection, "indexes": [{"key": {"x": 1}, "name": "x", "unique": True}]},
        {"createIndexes": collection, "indexes": [{"key": {"x": 1}, "name": "x"}]},
        {"create": f"{collection}_new"},
        {"create": f"{collection}_view", "viewOn": collection, "pipeline": []},
        {"convertToCapped": collection, "size": 4096},
        {"collMod": collection, "index": {"name": "x", "expireAfterSeconds": 1}},
        {"collMod": collection, "validator": {"x": 1}},
        {"dropIndexes": collection, "index": "*"},
        {"drop": collection},
    ]
    return [
        *(partial(database.command, command) for command in commands),
        lambda: documents.rename("another"),
        lambda: documents.create_index([("x", 1)], expireAfterSeconds=0),
    ]
