"""Walks over the keys of the index of scans that are ``'To Do'``; they read no documents.

The queue's key begins with what divides the waiting scans into lanes, so one short range holds the
scans of a Fr-PACS and type in the order of their turns. All waiting scans are in it, damaged ones
too, whatever the types of their fields.
"""

from collections.abc import Iterator
from typing import Any

from bson import MaxKey, MinKey
from pymongo.collection import Collection as MongoCollection

from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.schema import QUEUE, QUEUE_KEY, SCHEMA_VERSION

Bound = list[tuple[str, Any]]


def lower(*values: Any) -> Bound:
    """The first key of the queue's index that begins with the state, the schema and ``values``."""
    return _bound(MinKey(), *values)


def upper(*values: Any) -> Bound:
    """Past the last key of the queue's index that begins with the state, the schema and
    ``values``."""
    return _bound(MaxKey(), *values)


def _bound(fill: Any, *values: Any) -> Bound:
    given = (ReportGenerated.TO_DO.value, SCHEMA_VERSION, *values)
    return list(zip(QUEUE_KEY, given + (fill,) * (len(QUEUE_KEY) - len(given)), strict=True))


def prefixes(
    scans: MongoCollection[Document], depth: int, *within: Any
) -> Iterator[tuple[Any, ...]]:
    """The distinct beginnings of the queue's keys, after state and schema; a query for each.

    Values are compared across types, so fields of a wrong type or that are missing (None) come too.

    Args:
        scans: the collection.
        depth: how many values to distinguish: of ``reanalysis``, ``scan.pacs``,
            ``scan.scan_type``, ``attempts``, ``turn_at``.
        within: the first of these values, if only keys that begin with them are wanted.
    """
    names = QUEUE_KEY[2 : 2 + depth]
    start, end = lower(*within), upper(*within)
    while True:
        cursor = scans.find({}, return_key=True, hint=QUEUE, limit=1).min(start).max(end)
        key = next(iter(cursor), None)
        if key is None:
            return
        found = tuple(key.get(name) for name in names)
        yield found
        start = upper(*found)
