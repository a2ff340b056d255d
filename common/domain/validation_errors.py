"""What is wrong with a document or a setting, in plain words and without its values.

pydantic's own texts speak of "input" and quote patterns; its locations hold the names of unknown
fields, which a sender chose and which may be a patient's.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from common.domain.types import Frozen

_ERRORS_MAX = 5

_WHOLE = ("int_parsing", "int_from_float", "int_type", "int_parsing_size")
_TEXTS = {
    **dict.fromkeys(_WHOLE, "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    "finite_number": "must be a finite number, not NaN or infinity",
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be 0 or 1"),
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be text",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    **dict.fromkeys(("tuple_type", "list_type", "set_type"), "must be a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be a document"),
    "string_pattern_mismatch": "has characters or a length that are not allowed here",
}
"""What is accepted, by the type of pydantic's error."""

_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": (
        "must be 1 to 64 letters, digits, dots, underscores and hyphens, and begin with a letter "
        "or digit"
    ),
    r"^[a-z0-9][a-z0-9_-]{0,31}$": (
        "must be 1 to 32 lowercase letters, digits, underscores and hyphens, and begin with a "
        "letter or digit"
    ),
    r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$": (
        "must be 1 to 64 letters, digits, dots, underscores, hyphens and @, and begin with a "
        "letter or digit"
    ),
    r"^[0-9a-f]{64}$": "must be 64 hexadecimal digits",
    r"^[0-9a-f]{32}$": "must be 32 hexadecimal digits",
    r"^[A-Za-z0-9_-]{1,38}$": "must be 1 to 38 letters, digits, underscores and hyphens",
}


def explain(error: ValidationError) -> str:
    """What is wrong with a document: names of known fields and what they accept, never a value."""
    lines = error.errors(include_input=False, include_url=False)[:_ERRORS_MAX]
    return "; ".join(_sentence(line) for line in lines)


def _sentence(line: Mapping[str, Any]) -> str:
    if line["type"] == "extra_forbidden":
        where = ".".join(_known(line["loc"][:-1]))
        return f"{where or 'the document'}: has a field that this release does not know"
    return f"{'.'.join(_known(line['loc'])) or 'the document'}: {remedy(line)}"


def remedy(line: Mapping[str, Any]) -> str:
    """What a value must be, from one of pydantic's errors; our own messages stay as they are."""
    kind, context = str(line["type"]), line.get("ctx") or {}
    if kind == "value_error":
        return str(line["msg"]).removeprefix("Value error, ")
    if kind == "string_pattern_mismatch" and context.get("pattern") in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    text = _TEXTS.get(kind)
    if kind.startswith("date"):
        return "must be a date or time as in 2026-11-28T09:30:00Z"
    if text is None:
        return "has the wrong type or value"
    return text.format(**{name: _plain(value) for name, value in context.items()})


def _plain(bound: Any) -> Any:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _known(location: tuple[str | int, ...]) -> Iterator[str]:
    """The parts of a location that are indices or names of our fields."""
    names = _field_names()
    return (str(part) for part in location if isinstance(part, int) or part in names)


@cache
def _field_names() -> frozenset[str]:
    kinds: list[type[BaseModel]] = [Frozen]
    names: set[str] = set()
    while kinds:
        kind = kinds.pop()
        names.update(kind.model_fields)
        kinds.extend(kind.__subclasses__())
    return frozenset(names)
