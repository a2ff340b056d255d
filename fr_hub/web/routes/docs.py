"""The documentation of the API as a page, of our own files alone: it renders the OpenAPI document
in the browser, and loads nothing from any other host."""

from functools import cache
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from fr_hub.web.access import anyone, recorded_as

router = APIRouter(include_in_schema=False, dependencies=[anyone(), recorded_as(None)])

_FOLDER = Path(__file__).parents[1] / "docs"

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


def _answer(name: str, media_type: str) -> Response:
    return Response(
        _file(name),
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
    return _answer("index.html", "text/html")


@router.get(f"{PAGE}/docs.js")
def script() -> Response:
    """Its script."""
    return _answer("docs.js", "text/javascript")


@router.get(f"{PAGE}/docs.css")
def style() -> Response:
    """Its style."""
    return _answer("docs.css", "text/css")


def _lead(address: str) -> None:
    @router.get(address)
    def lead() -> RedirectResponse:
        return RedirectResponse(PAGE)


for _address in FORMER:
    _lead(_address)
