"""Finds the events that MongoDB refuses, and shortens them, so that the others are written."""

from collections.abc import Callable, Sequence

from bson.errors import BSONError

from common.domain.types import Document, utc_now
from common.errors import StoreError, StoreUnavailable

PERMANENT = (StoreError, BSONError, OverflowError, TypeError, ValueError)
"""What a refused entry raises, except ``StoreUnavailable``: writing the same again cannot help."""

NOT_RECORDED = "MongoDB refused the rest of this event"

_ID_LONGEST = 130

Write = Callable[[Sequence[Document]], None]


def is_permanent(error: BaseException) -> bool:
    """Whether writing the same entry again cannot help."""
    return isinstance(error, PERMANENT) and not isinstance(error, StoreUnavailable)


def write_isolating(write: Write, events: Sequence[Document]) -> None:
    """Write events; those that MongoDB refuses shortened, in entries apart from the others.

    A refused batch is halved until the refused events are alone, then by their scans. What is left
    keeps the kind, the time, and the scan's id.

    Raises:
        Exception: one of ``PERMANENT``: even a shortened event is refused, so any entry would be.
    """
    try:
        write(events)
    except PERMANENT as error:
        if not is_permanent(error):
            raise
        for part in _parts(events):
            write_isolating(write, part)
        if not _parts(events):
            write([shortened(events[0])])


def _parts(events: Sequence[Document]) -> list[list[Document]]:
    if len(events) > 1:
        half = len(events) // 2
        return [list(events[:half]), list(events[half:])]
    [one] = events
    ids = one.get("ids", ())
    if not isinstance(ids, list) or len(ids) < 2:
        return []
    half = len(ids) // 2
    return [[{**one, "ids": ids[:half]}], [{**one, "ids": ids[half:]}]]


def shortened(one: Document) -> Document:
    """What is certain to be storable of an event."""
    made: Document = {"kind": str(one.get("kind")), "at": utc_now()}
    ids = one.get("ids")
    if isinstance(ids, list):
        made["ids"] = [_text(key) for key in ids]
    if isinstance(outcome := one.get("outcome"), str):
        made["outcome"] = _text(outcome)
    return {**made, "cause": NOT_RECORDED}


def _text(value: object) -> str:
    return str(value)[:_ID_LONGEST].encode("utf-8", "replace").decode().replace("\0", "?")
