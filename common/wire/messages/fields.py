"""Reads single fields of a message's BSON document.

Raises (all readers):
    ProtocolError: the field is missing or has the wrong type; the reason never quotes its value,
        which may be a patient's.
"""

import re
from typing import Any

from common.errors import ProtocolError, Refusal
from common.wire.constants import FEATURES_MAX, NONCE_BYTES

TEXT_MAX = 1000
"""Characters of the longest text in a field."""

_FEATURE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def read_text(body: dict[str, Any], name: str) -> str:
    """A string field."""
    value = body.get(name)
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise malformed(f"the field {name!r} must be a string of at most {TEXT_MAX} characters")
    return value


def read_integer(body: dict[str, Any], name: str) -> int:
    """An integer field: int32 or int64, never a boolean or a double."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise malformed(f"the field {name!r} must be an integer")
    return value


def read_ids(body: dict[str, Any], name: str) -> tuple[str, ...]:
    """An array of ids."""
    ids = body.get(name)
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise malformed(f"the field {name!r} must be a list of strings")
    return tuple(ids)


def read_random(body: dict[str, Any], name: str) -> bytes:
    """A nonce or a proof: both are binary of ``NONCE_BYTES`` bytes."""
    value = body.get(name)
    if not isinstance(value, bytes) or len(value) != NONCE_BYTES:
        raise malformed(f"the field {name!r} must be binary, of {NONCE_BYTES} bytes")
    return value


def read_features(body: dict[str, Any]) -> tuple[str, ...]:
    """The names of features that a peer lists, also those that this unit does not know; none if
    the field is absent."""
    value = body.get("features", [])
    if (
        not isinstance(value, list)
        or len(value) > FEATURES_MAX
        or not all(isinstance(name, str) and _FEATURE.fullmatch(name) for name in value)
    ):
        raise malformed(
            f"the field 'features' must be an array of at most {FEATURES_MAX} names, each of at "
            "most 32 lower-case letters, digits, hyphens and underscores"
        )
    return tuple(value)


def read_document(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A field that is a document itself."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise malformed(f"the field {name!r} must be a document")
    return value


def scan_id_in(document: dict[str, Any]) -> str | None:
    """The scan id of a document that may be wrong in any way."""
    value = document.get("scan_id")
    return value if isinstance(value, str) else None


def malformed(reason: str) -> ProtocolError:
    """The error for a field of the wrong type."""
    return ProtocolError(Refusal.MALFORMED, reason)
