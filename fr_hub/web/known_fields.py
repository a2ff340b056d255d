"""Which fields the body of a request may have, for the answer to one that has another.

The name of an unknown field is the client's, and may be anything; those of known fields are ours.
"""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

SHOWN_MAX = 30
"""The most names that an answer has."""


def known_fields(route: object, where: Sequence[str | int]) -> list[str]:
    """The names of the fields that an object in the body of a request may have, sorted; empty if
    nobody knows.

    Args:
        route: FastAPI's route of the request.
        where: the place of the object in the body, as pydantic names it: names, indices, and the
            tags of unions.
    """
    body = getattr(getattr(route, "body_field", None), "field_info", None)
    models = set(_models_in(getattr(body, "annotation", None)))
    for part in where:
        inner = {
            model
            for outer in models
            for name, field in outer.model_fields.items()
            if part in (name, field.alias)
            for model in _models_in(field.annotation)
        }
        # A tag chooses among models; an index leads nowhere.
        models = inner or {one for one in models if _is_tagged(one, part)} or models
    names = {field.alias or name for one in models for name, field in one.model_fields.items()}
    return sorted(names)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, such as a list or a union of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for one in get_args(annotation):
        yield from _models_in(one)


def _is_tagged(model: type[BaseModel], part: str | int) -> bool:
    """Whether this part of a place stands for this model of a union."""
    tags = (value for field in model.model_fields.values() for value in get_args(field.annotation))
    return part == model.__name__ or part in tags
