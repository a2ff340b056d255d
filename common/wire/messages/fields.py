"""Reads single fields of a message's BSON document.

Raises (all readers):
    ProtocolError: the field is missing or has the wrong type; the reason never quotes its value,
        which may be a patient's.
"""

from typing import Any

from common.errors import ProtocolError, Refusal
from common.wire.constants import NONCE_BYTES

TEXT_MAX = 1000
"""Characters of the longest text in a field."""


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


def read_random(body: dict[str, Any], name: str) -> bytes:
    """A nonce or a proof: both are binary of ``NONCE_BYTES`` bytes."""
    value = body.get(name)
    if not isinstance(value, bytes) or len(value) != NONCE_BYTES:
        raise malformed(f"the field {name!r} must be binary, of {NONCE_BYTES} bytes")
    return value


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
