"""The application as a whole."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.testclient import TestClient

from common.domain.user import Role
from fr_hub.web.app import API, OTHERS, ROUTERS, make_app
from fr_hub.web.context import WebContext
from fr_hub.web.routes import docs
from tests.fr_hub.web.conftest import ClientOf

WITHOUT_SIGN_IN = {
    "/health/ping",
    "/health/ready",
    f"{API}/session",
    f"{API}/session/one-time",
    "/metrics",
    *(docs.PAGE, f"{docs.PAGE}/docs.js", f"{docs.PAGE}/docs.css", *docs.FORMER),
    f"{docs.PAGE}/analyzers/{{name}}",
}
"""Paths that anyone may call."""


def routes() -> Iterator[tuple[str, APIRoute | APIWebSocketRoute]]:
    """Each route with its path."""
    for prefix, routers in (("", OTHERS), (API, ROUTERS)):
        for router in routers:
            for route in router.routes:
                assert isinstance(route, APIRoute | APIWebSocketRoute), route
                yield prefix + route.path, route


def test_the_document_is_openapi_3_1_and_names_each_route(stranger: TestClient) -> None:
    document = stranger.get(f"{API}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    shown = {path for path, route in routes() if getattr(route, "include_in_schema", False)}
    assert document["paths"].keys() == shown


def test_each_route_needs_a_user_but_those_named_here() -> None:
    without = {
        path
        for path, route in routes()
        if any(getattr(one.dependency, "access", "") == "anyone" for one in route.dependencies)
    }
    assert without == WITHOUT_SIGN_IN


def test_another_method_is_told_which_ones_an_address_takes(client_of: ClientOf) -> None:
    client = client_of(Role.ADMIN)
    for path, methods in {"/scans": "GET, POST", "/session": "DELETE, GET, POST"}.items():
        answer = client.put(f"{API}{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


OTHER = "https://viewer.example"


@pytest.fixture
def open_to_other(context: WebContext) -> FastAPI:
    settings = context.settings.model_copy(
        update={"web_origins": (OTHER,), "web_proxies": ("127.0.0.1",)}
    )
    return make_app(replace(context, settings=settings))


def test_no_page_of_another_origin_reads_answers(client_of: ClientOf) -> None:
    client = client_of(Role.READER)
    answer = client.get(f"{API}/scans", headers={"Origin": OTHER})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = {"Origin": OTHER, "Access-Control-Request-Method": "GET"}
    assert (
        "access-control-allow-origin" not in client.options(f"{API}/scans", headers=asked).headers
    )


def test_a_page_of_a_named_origin_uses_tokens_and_no_cookies(
    open_to_other: FastAPI, client_of: ClientOf
) -> None:
    token = client_of(Role.OPERATOR).headers["authorization"]
    client = TestClient(open_to_other)
    asked = {
        "Origin": OTHER,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    allowed = client.options(f"{API}/scans/requeue", headers=asked)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == OTHER
    assert "access-control-allow-credentials" not in allowed.headers
    headers = {"Origin": OTHER, "Sec-Fetch-Site": "cross-site", "Authorization": token}
    answer = client.post(f"{API}/scans/requeue", json={"ids": ["a"]}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == OTHER
    assert "ETag" in answer.headers["access-control-expose-headers"]
    third = {**headers, "Origin": "https://evil.example"}
    refused = client.post(f"{API}/scans/requeue", json={"ids": ["a"]}, headers=third)
    assert refused.json()["code"] == "foreign_origin"
    assert "access-control-allow-origin" not in refused.headers


def test_a_named_proxy_tells_whose_request_it_is(open_to_other: FastAPI, app: FastAPI) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    for application, is_named in ((open_to_other, True), (app, False)):
        client = TestClient(application, client=("127.0.0.1", 1))
        answer = client.get(f"{API}/scans", headers=forwarded)
        assert ("strict-transport-security" in answer.headers) is is_named
