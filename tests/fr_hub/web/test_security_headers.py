"""Every answer tells browsers what not to do."""

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient

from fr_hub.web.app import API
from fr_hub.web.security_headers import HEADERS, HSTS


def test_every_answer_has_them_errors_included(app: FastAPI) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise ValueError

    client = TestClient(app)
    for path, status in (
        ("/health/ping", 200),
        (f"{API}/scans", 401),
        ("/nothing", 404),
        ("/broken", 500),
    ):
        answer = client.get(path)
        assert answer.status_code == status
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers


def test_with_tls_browsers_are_told_to_stay_with_it(app: FastAPI) -> None:
    answer = TestClient(app, base_url="https://fr.example").get("/health/ping")
    assert answer.headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize("name", ["Content-Security-Policy", "Cache-Control"])
def test_a_page_keeps_its_own(app: FastAPI, name: str) -> None:
    @app.get("/page")
    def page() -> HTMLResponse:
        return HTMLResponse("", headers={name: "its own"})

    assert TestClient(app).get("/page").headers[name] == "its own"
