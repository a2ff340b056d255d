"""Files in one request: what is declared is reserved, and nothing is left of what is refused."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from common.domain.user import Role
from fr_hub.web.context import WebContext
from fr_hub.web.problems import Problem
from fr_hub.web.uploads.at_once import store_body, store_form
from fr_hub.web.uploads.desk import UploadDesk, opened_desk
from fr_hub.web.uploads.upload import Owner
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.routes.test_uploads import files_under

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def jane(client_of: ClientOf) -> TestClient:
    return client_of(Role.CLINICIAN)


@pytest.fixture
def desk(context: WebContext) -> Iterator[UploadDesk]:
    with opened_desk(context.settings, context.store, context.audit, context.log) as made:
        yield made


def pieces() -> Iterator[bytes]:
    yield b"{}"


@pytest.mark.parametrize("headers", [JSON, FORM])
@pytest.mark.parametrize("given", [pieces(), b"", b"x" * 5000])
def test_what_is_no_upload_leaves_nothing(
    jane: TestClient, context: WebContext, headers: dict[str, str], given: Any
) -> None:
    answer = jane.post("/api/v1/ecgs", content=given, headers=headers)
    assert answer.status_code in (400, 411, 422)
    assert "problem" in answer.headers["content-type"]
    assert files_under(context) == []


PART = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("url", "headers", "body"),
    [
        ("/api/v1/scans", FORM, PART + bytes(1 << 20) + b"\r\n--x--\r\n"),
        ("/api/v1/ecgs", FORM, PART + bytes(1 << 20) + b"\r\n--x--\r\n"),
        ("/api/v1/ecgs", JSON, b"[" * 5000),
        ("/api/v1/uploads", JSON, b'{"size": 1}'),
        ("/api/v1/session", JSON, b'{"user": "jane", "password": "x"}'),
    ],
)
def test_a_body_with_two_lengths_is_refused(
    jane: TestClient, context: WebContext, url: str, headers: dict[str, str], body: bytes
) -> None:
    both = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
    answer = jane.post(url, content=body, headers=headers | both)
    assert (answer.status_code, answer.json()["code"]) == (400, "two_lengths")
    assert answer.headers["connection"] == "close"
    assert files_under(context) == []


@pytest.mark.parametrize("kind", ["form", "body"])
def test_no_more_is_stored_than_is_reserved(
    desk: UploadDesk, context: WebContext, kind: str
) -> None:
    """Whatever lets more bytes through than the request declares."""
    sent = [PART, bytes(1 << 20), b""]
    headers = [(b"content-length", b"5"), (b"content-type", FORM["Content-Type"].encode())]

    async def receive() -> dict[str, Any]:
        piece = sent.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    asked = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    owner = Owner("default", "jane")
    stored = (
        store_form(asked, desk, owner) if kind == "form" else store_body(asked, desk, owner, "a")
    )
    with pytest.raises(Problem) as refused:
        asyncio.run(stored)
    assert (refused.value.status, refused.value.code) == (413, "too_large")
    assert files_under(context) == []
