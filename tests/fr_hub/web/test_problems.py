"""Every error is a problem that says what to do and repeats nothing of the request."""

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from common.errors import StoreUnavailable
from fr_hub.web.problems import MEDIA_TYPE


class Body(BaseModel):
    age: int


def test_each_error_is_a_problem(app: FastAPI) -> None:
    @app.post("/broken")
    def broken(body: Body) -> None:
        raise ValueError(f"Ada {body.age}")

    @app.get("/away")
    def away() -> None:
        raise StoreUnavailable("mongodb.example is away")

    with TestClient(app, raise_server_exceptions=False) as client:
        answers = {
            404: client.get("/nothing"),
            405: client.put("/away"),
            422: client.post("/broken", json={"age": "Ada"}),
            500: client.post("/broken", json={"age": 7}),
            503: client.get("/away"),
        }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.json()["status"] == status
        assert answer.json()["detail"]
        assert "Ada" not in answer.text
        assert "example" not in answer.text
    assert answers[422].json()["errors"] == [{"field": "age", "message": "must be a whole number"}]
