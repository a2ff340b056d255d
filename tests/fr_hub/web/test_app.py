"""The application as a whole."""

from collections.abc import Iterator

from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from fr_hub.web.app import API, OTHERS, ROUTERS
from fr_hub.web.routes import docs

WITHOUT_SIGN_IN = {
    "/health/ping",
    "/health/ready",
    f"{API}/session",
    f"{API}/session/one-time",
    "/metrics",
    *(docs.PAGE, f"{docs.PAGE}/docs.js", f"{docs.PAGE}/docs.css", *docs.FORMER),
}
"""Paths that anyone may call."""


def routes() -> Iterator[tuple[str, APIRoute]]:
    """Each route with its path."""
    for prefix, routers in (("", OTHERS), (API, ROUTERS)):
        for router in routers:
            for route in router.routes:
                assert isinstance(route, APIRoute), route
                yield prefix + route.path, route


def test_the_document_is_openapi_3_1_and_names_each_route(stranger: TestClient) -> None:
    document = stranger.get(f"{API}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    shown = {path for path, route in routes() if route.include_in_schema}
    assert document["paths"].keys() == shown


def test_each_route_needs_a_user_but_those_named_here() -> None:
    without = {
        path
        for path, route in routes()
        if any(getattr(one.dependency, "access", "") == "anyone" for one in route.dependencies)
    }
    assert without == WITHOUT_SIGN_IN
