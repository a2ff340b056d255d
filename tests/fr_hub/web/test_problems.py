"""Every error is a problem that says what to do and repeats nothing of the request."""

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from common.domain.user import Role
from common.errors import StoreUnavailable
from fr_hub.web.problems import MEDIA_TYPE, not_found, phrase_of
from tests.fr_hub.web.conftest import ClientOf


class Body(BaseModel):
    age: int


def test_each_error_is_a_problem(app: FastAPI, client_of: ClientOf) -> None:
    @app.post("/broken")
    def broken(body: Body) -> None:
        raise ValueError(f"Ada {body.age}")

    @app.get("/api/away")
    def away() -> None:
        raise StoreUnavailable("mongodb.example is away")

    client = client_of(Role.READER)
    answers = {
        401: TestClient(app).get("/api/away"),
        404: client.get("/api/nothing"),
        405: client.put("/api/away"),
        422: client.post("/broken", json={"age": "Ada"}),
        500: client.post("/broken", json={"age": 7}),
        503: client.get("/api/away"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.json()["status"] == status
        assert answer.json()["detail"]
        assert "Ada" not in answer.text
        assert "example" not in answer.text
    assert answers[422].json()["errors"] == [{"field": "age", "message": "must be a whole number"}]


def test_a_status_in_words() -> None:
    assert phrase_of(404) == "not found"
    assert phrase_of(499) == "status 499"


def test_of_a_scan_the_key_is_asked_for_and_of_all_else_the_id() -> None:
    assert not_found("scan").detail == "There is no such scan; check its key, <scan_id>@<pacs>."
    assert not_found("patient").detail == "There is no such patient; check its id."
