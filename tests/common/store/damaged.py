"""Damages stored documents as a disk, another program or a hand may."""

from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside

MISSING = "missing"
UNDECODABLE = "undecodable"
"""Bytes that are not UTF-8."""

DAMAGE: tuple[Any, ...] = (MISSING, UNDECODABLE, None, "text", 5.5, True, {"a": 1}, [1])
"""What may become of any field."""

_MARK = "to-be-damaged"


def not_utf8(document: dict[str, Any]) -> RawBSONDocument:
    """The document with some bytes of each ``to-be-damaged`` in it replaced."""
    return RawBSONDocument(bson.encode(document).replace(b"to-be", b"\xfe\xffobe"))


def spoil(store: DBManager, name: Collection, key: Any, field: str, damage: Any) -> None:
    """Damage a field of a document; ``_id`` too, of which an undecodable one is made."""
    collection = inside(store, name)
    if field == "_id":
        document = collection.find_one_and_delete({"_id": key})
        assert document is not None
        collection.insert_one(not_utf8({**document, "_id": _MARK}))
        return
    change = {"$unset": {field: 1}} if damage == MISSING else {"$set": {field: damage}}
    if damage == UNDECODABLE:
        change = {"$set": {field: _MARK}}
    assert collection.update_one({"_id": key}, change).matched_count == 1
    if damage == UNDECODABLE:
        document = collection.find_one_and_delete({"_id": key})
        assert document is not None
        collection.insert_one(not_utf8(document))
