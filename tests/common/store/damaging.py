"""Damage to stored documents, as a disk or a person makes it."""

from collections.abc import Callable
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside

Damage = Callable[[DBManager, Collection, Any], object]
"""Damages the document of this ``_id``."""


def with_bad_bytes(document: Any, text: str) -> RawBSONDocument:
    """The document, in which this text is no longer UTF-8."""
    return RawBSONDocument(bson.encode(document).replace(text.encode(), b"\xff" * len(text)))


def setting(**fields: object) -> Damage:
    """Set fields; double underscores stand for dots."""
    change = {name.replace("__", "."): value for name, value in fields.items()}
    return lambda store, name, key: inside(store, name).update_one({"_id": key}, {"$set": change})


def removing(field: str) -> Damage:
    """Remove a field."""
    return lambda store, name, key: inside(store, name).update_one(
        {"_id": key}, {"$unset": {field: True}}
    )


def undecodable(field: str) -> Damage:
    """Make the text of a field bytes that are not UTF-8."""

    def damage(store: DBManager, name: Collection, key: Any) -> None:
        documents = inside(store, name)
        documents.update_one({"_id": key}, {"$set": {field: "to-be-bad"}})
        document = documents.find_one_and_delete({"_id": key})
        documents.insert_one(with_bad_bytes(document, "to-be-bad"))

    return damage


def with_id(made: object) -> Damage:
    """Give the document another ``_id``."""

    def damage(store: DBManager, name: Collection, key: Any) -> None:
        document: Any = inside(store, name).find_one_and_delete({"_id": key})
        if made == "undecodable":
            document = {**document, "_id": "to-be-bad"}
            inside(store, name).insert_one(with_bad_bytes(document, "to-be-bad"))
        else:
            inside(store, name).insert_one({**document, "_id": made})

    return damage
