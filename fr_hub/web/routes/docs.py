"""The documentation of the API and of the analyzers as pages, of our own files alone. That of the
API renders the OpenAPI document in the browser; none loads anything from any other host."""

from functools import cache
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import RedirectResponse

from fr_hub.web.access import anyone, recorded_as
from fr_hub.web.analyzer_docs import analyzer_page
from fr_hub.web.problems import Problem

router = APIRouter(include_in_schema=False, dependencies=[anyone(), recorded_as(None)])

_FOLDER = FilePath(__file__).parents[1] / "docs"

PAGE = "/docs"
FORMER = ("/redoc", "/api/v1/patient/docs", "/api/v1/measures/docs")
"""Addresses that programs and people of other APIs know."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def _file(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def _answer(content: bytes, media_type: str) -> Response:
    return Response(
        content,
        media_type=media_type,
        headers={
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        },
    )


@router.get(PAGE)
def page() -> Response:
    """The page."""
    return _answer(_file("index.html"), "text/html")


@router.get(f"{PAGE}/docs.js")
def script() -> Response:
    """Its script."""
    return _answer(_file("docs.js"), "text/javascript")


@router.get(f"{PAGE}/docs.css")
def style() -> Response:
    """Its style."""
    return _answer(_file("docs.css"), "text/css")


@router.get(f"{PAGE}/analyzers/{{name}}")
def analyzer(name: Annotated[str, Path(max_length=64)]) -> Response:
    """How well an analyzer reads, and what it cannot do: reports refer to it."""
    content = analyzer_page(name)
    if content is None:
        raise Problem(404, "not_found", "There is no page about this analyzer.")
    return _answer(content, "text/html")


def _lead(address: str) -> None:
    @router.get(address)
    def lead() -> RedirectResponse:
        return RedirectResponse(PAGE)


for _address in FORMER:
    _lead(_address)
