"""Nobody gets in without a token, and no role does more than it may."""

from fastapi.testclient import TestClient

from common.domain.user import Role
from tests.fr_hub.web.conftest import ClientOf


def test_without_a_token_the_answer_says_how_to_sign_in(stranger: TestClient) -> None:
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic bm86bm8="}):
        answer = stranger.get("/api/v1/scans", headers=headers)
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers
        assert answer.json()["code"] == "unauthenticated"


def test_a_role_without_the_right_is_refused(client_of: ClientOf) -> None:
    assert client_of(Role.AUDITOR).get("/api/v1/scans").status_code == 403
    assert client_of(Role.READER).get("/api/v1/scans").status_code == 200
