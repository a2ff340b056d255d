"""Documents read and written byte by byte, whatever strings they hold."""

from collections.abc import Iterable
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

from common.domain.types import Document

_EXACT: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="surrogateescape",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


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
