"""Files in one request: what is declared is reserved, and nothing is left of what is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from fr_hub.web.context import WebContext
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.routes.test_uploads import files_under

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def jane(client_of: ClientOf) -> TestClient:
    return client_of(Role.CLINICIAN)


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
