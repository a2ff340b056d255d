"""Reads and updates in which one damaged document does not hide or block the others.

A document may be damaged on disk, or written by hand: with bytes that are not UTF-8, a date that
Python cannot hold, a missing field or one of another type. A batch that contains it must still be
read, and an update must not fail because of it; what becomes of the document itself is up to the
caller.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection as MongoCollection

from common.domain.types import Document
from common.store.exact_bson import encoded, exact

UNDECODABLE = "_undecodable"
"""Field of a decoded document in which something cannot be decoded; no stored field has it. It
holds a filter that finds the document, whose id may be what cannot be decoded."""

WHOLE_MAX = 2**53
"""Whole numbers of stored documents are smaller; a later change to them cannot overflow."""

_STRICT: CodecOptions[Document] = CodecOptions(tz_aware=True)
_LENIENT: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, tz_aware=True)


def decoded(raw: RawBSONDocument) -> Document:
    """The document. One that BSON cannot decode is decoded as far as it can be, and marked."""
    try:
        return bson.decode(raw.raw, _STRICT)
    except (BSONError, ValueError, OverflowError):
        return {**bson.decode(raw.raw, _LENIENT), UNDECODABLE: this(raw)}


def as_stored(collection: MongoCollection[Document]) -> MongoCollection[RawBSONDocument]:
    """The collection, of documents that are decoded field by field, when one is asked for."""
    return collection.with_options(codec_options=_RAW)


def find(
    collection: MongoCollection[Document], wanted: Mapping[str, Any], *fields: Any, **options: Any
) -> list[Document]:
    """What ``collection.find`` finds; documents that cannot be decoded are as from ``decoded``."""
    try:
        return list(collection.find(wanted, *fields, **options))
    except (BSONError, ValueError, OverflowError):
        # One damaged document would hide the others, so each is decoded alone.
        found = as_stored(collection).find(wanted, *fields, **options)
        return [decoded(document) for document in found]


def readable_id(raw: RawBSONDocument) -> str | None:
    """The ``_id`` of a document as found; None if it is no string, or cannot be decoded."""
    if raw.raw[_TYPE] != _STRING:
        return None
    try:
        return bytes(raw.raw[_TEXT : _end_of_id(raw) - 1]).decode()
    except UnicodeDecodeError:
        return None


def this(raw: RawBSONDocument) -> RawBSONDocument:
    """A filter for this document alone, whatever its ``_id`` is."""
    return on_id(raw, "_id")


def on_id(raw: RawBSONDocument, name: str) -> RawBSONDocument:
    """The document ``{name: <the id>}``, with the id as it is stored, which may not be decodable.
    With an operator such as ``$gt`` as its name, it is a condition on ids."""
    if raw.raw[_TYPE] != _STRING:
        return encoded([(name, exact(raw).get("_id"))])
    value = bytes(raw.raw[_LENGTH : _end_of_id(raw)])
    element = bytes([_STRING]) + name.encode() + b"\0" + value + b"\0"
    return RawBSONDocument((_TYPE + len(element)).to_bytes(4, "little") + element)


# Where things are in the BSON of a document that begins with an ``_id``, as all stored ones do.
_TYPE, _LENGTH, _TEXT = 4, 9, 13
_STRING = 2


def _end_of_id(raw: RawBSONDocument) -> int:
    return _TEXT + int.from_bytes(raw.raw[_LENGTH:_TEXT], "little")


def filters(documents: Sequence[Document]) -> list[Mapping[str, Any]]:
    """Filters that together find these documents, one for all but the undecodable ones."""
    clean = [document["_id"] for document in documents if UNDECODABLE not in document]
    damaged = [document[UNDECODABLE] for document in documents if UNDECODABLE in document]
    return [{"_id": {"$in": clean}}, *damaged] if clean else damaged


def whole(value: object) -> int | None:
    """The value, if it is a whole number as stored documents have them; else None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < WHOLE_MAX:
        return value
    return None


def number(field: str, otherwise: Any = 0) -> Document:
    """The value of a field in an aggregation expression; ``otherwise`` if it is no number."""
    return {"$cond": [{"$isNumber": f"${field}"}, f"${field}", otherwise]}


def integer(field: str) -> Document:
    """The value of a field in an aggregation expression; 0 if it is no integer."""
    return {"$cond": [{"$in": [{"$type": f"${field}"}, ["int", "long"]]}, f"${field}", 0]}
