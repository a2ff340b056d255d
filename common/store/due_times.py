"""When reports and notices are due, by the server's clock.

A time that was set while the clock was ahead would last until then. So one that is further ahead
than any delay counts as due.
"""

from common.domain.types import Document

LONGEST_DELAY_S = 3600.0
"""The longest delay until the next try of a report or notice, seconds."""

_SLACK_S = 60.0
"""How far the server's clock may be set back before the longest delay seems too long."""


def due(field: str) -> Document:
    """A filter for documents whose time in ``field`` has come, or is no time."""
    return {"$expr": {"$lte": [f"${field}", "$$NOW"]}}


def too_far_ahead(field: str) -> Document:
    """A filter for documents whose time in ``field`` is further ahead than any delay."""
    longest = {"$add": ["$$NOW", int((LONGEST_DELAY_S + _SLACK_S) * 1000)]}
    return {"$expr": {"$gt": [f"${field}", longest]}}
