"""Bases of what clients send and get, from which the OpenAPI document is made.

A client's types are generated from the document, so answers must be exact there: each field that is
always there is required, what has few values is an enum, and nothing is just any value.
"""

from enum import Enum
from typing import Annotated, Literal, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict

from common.domain.measurement import only_text
from common.domain.states import shown
from common.domain.types import Instant

Plain = bool | int | float | str | None
"""A JSON value without parts."""

Time = Annotated[Instant, BeforeValidator(only_text)]
"""The type of a parameter that is a time with its zone."""

ShownState = Literal["waiting", "analysing", "done", "failed", "erased", "purged"]
"""The state of a scan, as people know it (``SHOWN``)."""

KnownState = ShownState | Literal["unknown"]
"""The same; of a damaged scan, unknown."""


def known_state(stored: str) -> KnownState:
    """The state of a scan by its stored name."""
    return cast(KnownState, shown(stored))


_Some = TypeVar("_Some", bound=Enum)


def one_of(kind: type[_Some], value: object) -> _Some | None:
    """The member of an enum with this value; None for what is stored and no value of it."""
    try:
        return kind(value)
    except ValueError:
        return None


class Answer(BaseModel):
    """Base of what clients get. Each field is in each answer; what is not known is null."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
    )


class ListAnswer(Answer):
    """Base of lists, and of pages of lists."""

    next: str | None = None
    """Send this as ``after`` to get the next page; null: this is the last page."""
    total: int | None = None
    """Number of items in the whole list; null if counting them would take long."""


class Body(BaseModel):
    """Base of what clients send."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
