"""Cursors of lists: where the next page begins, as text that clients hand back and do not read."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from common.store.scan_pages import Place
from fr_hub.web.problems import FieldError, Problem

LONGEST = 1400
"""As long as one that holds a key of names in any script."""

_INTEGER = 2**63

Cursor = Annotated[str | None, Query(max_length=LONGEST, description="`next` of the previous page")]
"""The type of a route's parameter ``after``."""

Limit = Annotated[int, Query(ge=1, le=500, description="maximum number of items of the page")]
"""The type of a route's parameter ``limit``."""


def cursor_of(values: Sequence[str | int]) -> str:
    """The cursor that holds these values."""
    text = json.dumps(list(values), separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def values_of(cursor: str) -> list[str | int]:
    """The values in a cursor.

    Raises:
        Problem: 422, no list gave this cursor.
    """
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise not_a_cursor() from None
    if not isinstance(found, list) or not all(map(_is_value, found)):
        raise not_a_cursor()
    return found


def place_of(cursor: str | None) -> Place | None:
    """The place in a list of scans that a cursor holds; None without a cursor.

    Raises:
        Problem: 422, no list of scans gave this cursor.
    """
    if cursor is None:
        return None
    match values_of(cursor):
        case [int(walk), *values] if walk >= 0:
            return Place(walk, tuple(values))
    raise not_a_cursor()


def cursor_at(place: Place | None) -> str | None:
    """The cursor of a place in a list of scans; None without a place."""
    return None if place is None else cursor_of([place.walk, *place.values])


def not_a_cursor() -> Problem:
    """The answer to a cursor that no list gave."""
    return Problem(
        422,
        "invalid_cursor",
        "'after' is not the 'next' of a page of this list; start again.",
        errors=[FieldError(field="after", message="must be the 'next' of a page of this list")],
    )


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        # BSON and MongoDB's comparison take no lone surrogates. Any other character may be in a
        # name, such as the joiners in Persian and Indic ones.
        return not any("\ud800" <= one <= "\udfff" for one in value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INTEGER
