"""Walks over the keys of the index of scans that are ``'To Do'``; they read no documents.

The queue's key begins with what divides the waiting scans into lanes, so one short range holds the
scans of a Fr-PACS and type in the order of their turns. All waiting scans are in it, damaged ones
too, whatever the types of their fields.
"""

import math
from collections.abc import Iterator
from typing import Any

from bson import MaxKey, MinKey
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection as MongoCollection

from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.damage import decoded
from common.store.exact_bson import encoded, exact
from common.store.schema import QUEUE, QUEUE_KEY, SCHEMA_VERSION

Bound = list[tuple[str, Any]]

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def lower(*values: Any) -> Bound:
    """The first key of the queue's index that begins with the state, the schema and ``values``."""
    return _bound(MinKey(), SCHEMA_VERSION, *values)


def upper(*values: Any) -> Bound:
    """Past the last key of the queue's index that begins with the state, the schema and
    ``values``."""
    return _bound(MaxKey(), SCHEMA_VERSION, *values)


def without_schema() -> list[tuple[Bound, Bound]]:
    """The ranges of keys whose schema is missing, no number, or below every release's."""
    return [
        (_bound(MinKey()), lower()),
        (_bound(MaxKey(), math.inf), _bound(MaxKey())),
    ]


def _bound(fill: Any, *values: Any) -> Bound:
    given = (ReportGenerated.TO_DO.value, *values)
    return list(zip(QUEUE_KEY, given + (fill,) * (len(QUEUE_KEY) - len(given)), strict=True))


def between(
    scans: MongoCollection[Document], low: Bound, high: Bound, at_most: int
) -> list[Document]:
    """The scans from ``low`` to before ``high``, as ``damage.find`` has them, with their ids
    alone."""
    return [decoded(raw) for raw in _find(scans, low, high, at_most, projection={"_id": 1})]


def prefixes(
    scans: MongoCollection[Document], depth: int, *within: Any
) -> Iterator[tuple[Any, ...]]:
    """The distinct beginnings of the queue's keys, after state and schema; a query for each.

    Values are compared across types, so fields of a wrong type or that are missing (None) come too,
    and as ``Undecodable`` strings that are not UTF-8.

    Args:
        scans: the collection.
        depth: how many values to distinguish: of ``reanalysis``, ``scan.pacs``,
            ``scan.scan_type``, ``attempts``, ``turn_at``.
        within: the first of these values, if only keys that begin with them are wanted.
    """
    names = QUEUE_KEY[2 : 2 + depth]
    start, end = lower(*within), upper(*within)
    while True:
        keys = _find(scans, start, end, 1, returnKey=True)
        if not keys:
            return
        key = exact(keys[0])
        found = tuple(key.get(name) for name in names)
        yield found
        start = upper(*found)


def _find(
    scans: MongoCollection[Document], low: Bound, high: Bound, at_most: int, **options: Any
) -> list[RawBSONDocument]:
    # As a command, whose bounds may be BSON as it is: a cursor encodes them anew, and strings that
    # are not UTF-8 cannot be.
    found = scans.database.command(
        "find",
        scans.name,
        min=encoded(low),
        max=encoded(high),
        hint=QUEUE,
        limit=at_most,
        batchSize=at_most,
        singleBatch=True,
        codec_options=_RAW,
        **options,
    )
    return list(found["cursor"]["firstBatch"])
