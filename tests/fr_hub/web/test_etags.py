"""If-Match and If-None-Match."""

import asyncio

import pytest
from starlette.requests import Request

from fr_hub.web.etags import changed, content_etag, etag_of, is_known, match_of, none_match_of
from fr_hub.web.problems import Problem


def status(header: str | None, *, required: bool) -> int:
    """The status of the refusal; 200: there is none."""
    match = asyncio.run(match_of(header))
    try:
        (match.required if required else match.check)(etag_of(3))
    except Problem as problem:
        return problem.status
    return 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"3"', 200),
        ('"2", "3"', 200),
        (" * ", 200),
        ('"2"', 412),
        ('W/"3"', 412),  # a weak one never matches
        ("3", 400),
        ('"3', 400),
        ("", 400),
        ('"3" "4"', 400),
    ],
)
def test_a_change_is_made_to_the_version_that_was_seen(header: str, expected: int) -> None:
    assert status(header, required=True) == expected
    assert status(header, required=False) == expected


def test_the_header_may_be_required() -> None:
    assert status(None, required=True) == 428
    assert status(None, required=False) == 200
    assert changed().status == 412


@pytest.mark.parametrize(
    ("header", "current"),
    [(None, False), ('"3"', True), ('W/"3"', True), ("*", True), ('"2"', False)],
)
def test_who_has_the_version_need_not_get_it_again(header: str | None, current: bool) -> None:
    assert asyncio.run(none_match_of(header)).is_current(etag_of(3)) is current


def test_content_without_a_version_has_an_etag_too() -> None:
    etag = content_etag("a")
    assert etag == content_etag(b"a") != content_etag("b")
    for header, known in (
        (etag, True),
        (f"W/{etag}", True),
        (f'"x", {etag}', True),
        ('"x"', False),
    ):
        request = Request({"type": "http", "headers": [(b"if-none-match", header.encode())]})
        assert is_known(request, etag) is known
    assert not is_known(Request({"type": "http", "headers": []}), etag)
