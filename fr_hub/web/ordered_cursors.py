"""Cursors of lists that are ordered by one value and then by id.

A cursor holds the value, so a list by names has its cursor in bodies, never in addresses.
"""

from datetime import UTC, datetime

from fr_hub.web.cursors import cursor_of, not_a_cursor, values_of

CURSOR_LONGEST = 2000


def cursor_after(value: str | datetime, key: str) -> str:
    """The cursor of a place: a value of the order, and the id that follows it."""
    text = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
    return cursor_of([text, key])


def place_of(cursor: str | None) -> tuple[str, str] | None:
    """The place of a cursor; None without one.

    Raises:
        Problem: 422, no such list gave this cursor.
    """
    if cursor is None:
        return None
    match values_of(cursor):
        case [str(value), str(key)]:
            return value, key
    raise not_a_cursor()


def time_of(cursor: str | None) -> tuple[datetime, str] | None:
    """The place of a cursor in a list by time; None without one.

    Raises:
        Problem: 422, no such list gave this cursor.
    """
    place = place_of(cursor)
    if place is None:
        return None
    try:
        at = datetime.fromisoformat(place[0])
        return at.astimezone(UTC), place[1]
    except (ValueError, OverflowError):
        raise not_a_cursor() from None
