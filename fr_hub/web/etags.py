"""ETags (RFC 9110, sections 8.8.3 and 13): a change is made only to the version that its author
saw, so that of two editors the second one is told.

Use: answer with ``etag_of(version)`` in the header ETag. A route that changes takes ``IfMatch``,
and calls ``required`` first (or ``check``, where a change without the header is fine); the store
then changes that version alone, and where it was changed in between, the route raises
``changed()``.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3
from fastapi import Depends, Header
from starlette.requests import Request

from fr_hub.web.problems import Problem

_TAGS = re.compile(r'\s*(?:W/)?"[!#-~]*"\s*(?:,\s*(?:W/)?"[!#-~]*"\s*)*')
_HASH_DIGITS = 32
_TAG = re.compile(r'(?:W/)?"[!#-~]*"')


def etag_of(version: object) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def content_etag(content: bytes | str) -> str:
    """The ETag of what has no version: a hash of the content."""
    data = content.encode() if isinstance(content, str) else content
    return etag_of(blake3(data).hexdigest()[:_HASH_DIGITS])


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has the content of this ETag already, so that 304 is the answer.

    Raises:
        Problem: 400, If-None-Match is not valid.
    """
    return NoneMatch(request.headers.get("if-none-match")).is_current(etag)


def changed() -> Problem:
    """Another version is stored than the one that the client has seen."""
    return Problem(
        412,
        "changed_meanwhile",
        "Somebody has changed or deleted this since you read it; read it again, then repeat your "
        "change with the new ETag.",
    )


def _tags(header: str, name: str) -> frozenset[str] | None:
    """The ETags in a header; None: ``*``, any version."""
    if header.strip() == "*":
        return None
    if not _TAGS.fullmatch(header):
        raise Problem(
            400,
            "invalid_etag",
            f"The header {name} must be an ETag in quotes, a list of such ETags, or *.",
        )
    return frozenset(_TAG.findall(header))


@dataclass(frozen=True, slots=True)
class Match:
    """The header If-Match of a request."""

    header: str | None

    def check(self, etag: str) -> None:
        """Raises:
        Problem: 412, the header names other versions; 400, it is not valid.
        """
        if self.header is None:
            return
        tags = _tags(self.header, "If-Match")
        if tags is not None and etag not in tags:  # weak ones never match
            raise changed()

    def required(self, etag: str) -> None:
        """As ``check``.

        Raises:
            Problem: 428, there is no such header.
        """
        if self.header is None:
            raise Problem(
                428,
                "if_match_missing",
                "Send the ETag that you got when you read this as If-Match, so that you do not "
                "overwrite somebody else's change; 'If-Match: *' overwrites it.",
            )
        self.check(etag)


@dataclass(frozen=True, slots=True)
class NoneMatch:
    """The header If-None-Match of a request."""

    header: str | None

    def is_current(self, etag: str) -> bool:
        """Whether the client has this version, so that 304 is the answer."""
        if self.header is None:
            return False
        tags = _tags(self.header, "If-None-Match")
        return tags is None or etag in {tag.removeprefix("W/") for tag in tags}


async def match_of(
    if_match: Annotated[
        str | None,
        Header(
            max_length=1000,
            description="ETag of the version that you want to change; `*`: any version",
        ),
    ] = None,
) -> Match:
    """The header If-Match."""
    return Match(if_match)


async def none_match_of(
    if_none_match: Annotated[
        str | None,
        Header(
            max_length=1000,
            description="ETag of the version that you have; if it is still the current one, the "
            "answer is 304",
        ),
    ] = None,
) -> NoneMatch:
    """The header If-None-Match."""
    return NoneMatch(if_none_match)


IfMatch = Annotated[Match, Depends(match_of)]
"""The type of the parameter of a route that changes something."""

IfNoneMatch = Annotated[NoneMatch, Depends(none_match_of)]
"""The type of the parameter of a route that answers with something."""
