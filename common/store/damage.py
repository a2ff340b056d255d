"""Reads and updates in which one damaged document does not hide or block the others.

A document may be damaged on disk, or written by hand: with bytes that are not UTF-8, a date that
Python cannot hold, a missing field or one of another type. A batch that contains it must still be
read, and an update must not fail because of it; what becomes of the document itself is up to the
caller.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection as MongoCollection

from common.domain.types import Document

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
_EXACT: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="surrogateescape",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class Undecodable(bytes):
    """A stored string whose bytes are not UTF-8, as it is."""


def exact(raw: RawBSONDocument) -> Document:
    """The document, in which strings that are not UTF-8 are ``Undecodable``."""
    found: Document = _exact(bson.decode(raw.raw, _EXACT))
    return found


def encoded(fields: Iterable[tuple[str, Any]]) -> RawBSONDocument:
    """The reverse of ``exact``."""
    elements = b"".join(_element(name, value) for name, value in fields)
    return RawBSONDocument((len(elements) + 5).to_bytes(4, "little") + elements + b"\0")


def decoded(raw: RawBSONDocument) -> Document:
    """The document. One that BSON cannot decode is decoded as far as it can be, and marked."""
    try:
        return bson.decode(raw.raw, _STRICT)
    except (BSONError, ValueError, OverflowError):
        found_by = encoded([("_id", exact(raw).get("_id"))])
        return {**bson.decode(raw.raw, _LENIENT), UNDECODABLE: found_by}


def find(
    collection: MongoCollection[Document], wanted: Mapping[str, Any], *fields: Any, **options: Any
) -> list[Document]:
    """What ``collection.find`` finds; documents that cannot be decoded are as from ``decoded``."""
    try:
        return list(collection.find(wanted, *fields, **options))
    except (BSONError, ValueError, OverflowError):
        # One damaged document would hide the others, so each is decoded alone.
        raw = collection.with_options(codec_options=_RAW)
        return [decoded(document) for document in raw.find(wanted, *fields, **options)]


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


def number(field: str, otherwise: int = 0) -> Document:
    """The value of a field in an aggregation expression; ``otherwise`` if it is no number."""
    return {"$cond": [{"$isNumber": f"${field}"}, f"${field}", otherwise]}


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_exact(part) for part in value]
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return Undecodable(value.encode(errors="surrogateescape"))
    return value


def _element(name: str, value: Any) -> bytes:
    """The BSON of one field: its type, its name, its value."""
    if isinstance(value, Undecodable):
        kind, content = b"\x02", (len(value) + 1).to_bytes(4, "little") + value + b"\0"
    elif isinstance(value, dict):
        kind, content = b"\x03", bytes(encoded(value.items()).raw)
    elif isinstance(value, list):
        parts = encoded((str(n), part) for n, part in enumerate(value))
        kind, content = b"\x04", bytes(parts.raw)
    else:
        whole_element = bson.encode({"": value})[4:-1]
        kind, content = whole_element[:1], whole_element[2:]
    return kind + name.encode(errors="surrogateescape") + b"\0" + content
