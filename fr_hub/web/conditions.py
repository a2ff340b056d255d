"""Conditional requests (RFC 9110, section 13): ETags."""

from blake3 import blake3
from starlette.requests import Request

_LENGTH = 32


def etag_of(content: bytes | str) -> str:
    """The ETag of this content."""
    data = content.encode() if isinstance(content, str) else content
    return f'"{blake3(data).hexdigest()[:_LENGTH]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has the content of this ETag already: the answer is 304."""
    given = request.headers.get("if-none-match", "")
    known = [one.strip().removeprefix("W/") for one in given.split(",")]
    return "*" in known or etag in known
