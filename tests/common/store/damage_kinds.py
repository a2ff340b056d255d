"""Damages stored documents: a missing field, a wrong type, bytes that are not UTF-8."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import bson
from bson import Decimal128, MaxKey, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import document_of, inside

_MISSING = object()
_PLACE = "bytes that are not UTF-8"
NOT_UTF8 = b"\xff\xfe".ljust(len(_PLACE), b"\xc3")

KINDS: dict[str, Any] = {
    "missing": _MISSING,
    "null": None,
    "text": "many",
    "not UTF-8": _PLACE,
    "a negative number": -3,
    "a large number": 2**63 - 1,
    "a fraction": 1.5,
    "no number": math.nan,
    "infinite": math.inf,
    "a decimal": Decimal128("1e4000"),
    "true": True,
    "a date": datetime(2001, 1, 1, tzinfo=UTC),
    "a date that Python cannot hold": DatetimeMS(2**62),
    "a timestamp": Timestamp(5, 1),
    "an array": [[1, "a"]],
    "a document": {"a": [1]},
    "a document that is not UTF-8": {"a": _PLACE},
    "bytes": b"\xff",
    "an expression": Regex("a"),
    "the greatest": MaxKey(),
}
"""What a field may hold that it never should."""

_NO_ID = {"missing", "an array", "an expression"}
"""MongoDB has no documents with such an ``_id``."""


def damage(
    store: DBManager, key: Any, field: str, kind: str, name: Collection = Collection.SCANS
) -> None:
    """Damage this field of a document, by a path such as ``scan.pacs``."""
    if field == "_id" and kind in _NO_ID:
        return
    document = document_of(store, key, name)
    assert document is not None
    *parents, last = field.split(".")
    inner = document
    for parent in parents:
        inner = inner.setdefault(parent, {})
    if KINDS[kind] is _MISSING:
        inner.pop(last, None)
    else:
        inner[last] = KINDS[kind]
    stored = bson.encode(document).replace(_PLACE.encode(), NOT_UTF8)
    inside(store, name).delete_one({"_id": key})
    inside(store, name).insert_one(RawBSONDocument(stored))


def damage_each(
    store: DBManager,
    keys: Iterable[str],
    fields: Iterable[str],
    kind: str,
    name: Collection = Collection.SCANS,
) -> None:
    """Damage a field of each of these documents in this way, each another one."""
    for key, field in zip(keys, fields, strict=True):
        damage(store, key, field, kind, name)


def states(store: DBManager) -> list[Any]:
    """The states of all scans, whatever their ids are."""
    found = inside(store).find({}, {"report_generated": 1, "_id": 0})
    return sorted(scan["report_generated"] for scan in found)
