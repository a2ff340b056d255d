"""Pages of a whole collection, in which damaged documents hide nothing: neither those that cannot
be decoded, nor those whose ids are of another type."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bson.errors import BSONError
from pymongo.collection import Collection as MongoCollection

from common.domain.foreign_text import PATH, escape
from common.domain.types import Document
from common.store.damage import as_stored, decoded, on_id
from common.store.error_mapping import translated

_FAILED = (BSONError, ValueError, OverflowError)
_BY_ID = [("_id", 1)]


def stream(
    collection: MongoCollection[Document], wanted: Mapping[str, Any], *fields: Any, **options: Any
) -> Iterator[Document]:
    """As ``damage.find``, with one batch in memory at a time."""
    return map(decoded, as_stored(collection).find(wanted, *fields, **options))


def aggregate(
    collection: MongoCollection[Document], stages: Sequence[Mapping[str, Any]], **options: Any
) -> list[Document]:
    """What ``collection.aggregate`` returns; documents that cannot be decoded are as from
    ``damage.decoded``. ``options`` are those of ``aggregate``, such as ``hint``."""
    try:
        return list(collection.aggregate(stages, **options))
    except _FAILED:
        raw = as_stored(collection)
        return [decoded(document) for document in raw.aggregate(stages, **options)]


def pages(
    collection: MongoCollection[Document], wanted: Mapping[str, Any], *fields: Any, size: int
) -> Iterator[list[Document]]:
    """All that ``damage.find`` finds, in order of the ids and in pages: each has its own time
    limit, which one cursor over everything would exceed.

    Args:
        wanted: must limit ``_id`` to one type: MongoDB compares an id with ids of the same type
            only. ``foreign`` finds the others.
    """
    page, after = _page(collection, wanted, fields, size)
    while page:
        yield page
        page, after = _page(collection, {"$and": [wanted, {"_id": after}]}, fields, size)


def pages_ahead(
    collection: MongoCollection[Document], wanted: Mapping[str, Any], *fields: Any, size: int
) -> Iterator[list[Document]]:
    """As ``pages``, but MongoDB reads the next page while the caller works on one: two pages are in
    memory at a time."""
    with ThreadPoolExecutor(1, "pages") as executor:
        page, after = _page(collection, wanted, fields, size)
        while page:
            rest = {"$and": [wanted, {"_id": after}]}
            following = executor.submit(_page, collection, rest, fields, size)
            yield page
            page, after = following.result()


@translated
def _page(
    collection: MongoCollection[Document],
    wanted: Mapping[str, Any],
    fields: Sequence[Any],
    size: int,
) -> tuple[list[Document], Mapping[str, Any]]:
    """A page, and the condition on the ids of those after it."""
    try:
        page = list(collection.find(wanted, *fields, sort=_BY_ID, limit=size))
        return page, {"$gt": page[-1]["_id"]} if page else {}
    except _FAILED:
        raw = as_stored(collection)
        found = list(raw.find(wanted, *fields, sort=_BY_ID, limit=size))
        return [decoded(one) for one in found], on_id(found[-1], "$gt") if found else {}


@translated
def foreign(collection: MongoCollection[Document], first: object, end: object) -> list[str]:
    """The names of the documents whose ids are not from ``first`` up to ``end``, of all types.

    Reads only their keys in the index of the ids.
    """
    raw = as_stored(collection)
    outside = ({"max": {"_id": first}}, {"min": {"_id": end}})
    return [
        name_of(decoded(document))
        for bound in outside
        for document in raw.find({}, {"_id": 1}, hint=_BY_ID, **bound)
    ]


def name_of(document: Mapping[str, Any]) -> str:
    """The id of a document for people, escaped, whatever it is."""
    key = document["_id"]
    return escape(key if isinstance(key, str) else repr(key), PATH)
