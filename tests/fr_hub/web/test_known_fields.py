"""An unknown field in a body is answered with the names of those that are known."""

from typing import Annotated, Literal

import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from common.domain.user import Role
from fr_hub.web.app import API
from fr_hub.web.known_fields import known_fields
from fr_hub.web.problems import handle_problems
from tests.fr_hub.web.conftest import ClientOf

STRICT = ConfigDict(extra="forbid")


class Leaf(BaseModel):
    model_config = STRICT
    size: int = 0
    colour: str = Field(default="", alias="hue")


class Branch(BaseModel):
    model_config = STRICT
    kind: Literal["branch"] = "branch"
    leaves: list[Leaf] = []


class Root(BaseModel):
    model_config = STRICT
    kind: Literal["root"] = "root"
    depth: float | None = None


class Tree(BaseModel):
    model_config = STRICT
    parts: list[Annotated[Branch | Root, Field(discriminator="kind")]] = []


@pytest.fixture
def trees() -> TestClient:
    app = FastAPI()
    handle_problems(app)

    @app.post("/trees")
    def plant(tree: Tree) -> None:
        pass

    @app.post("/branches")
    def grow(branches: Annotated[list[Branch], Body()]) -> None:
        pass

    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "body", "known"),
    [
        ("/trees", {"Ada": 1}, "parts"),
        ("/trees", {"parts": [{"kind": "root", "Ada": 1}]}, "depth, kind"),
        ("/trees", {"parts": [{"kind": "branch", "leaves": [{"Ada": 1}]}]}, "hue, size"),
        ("/branches", [{"Ada": 1}], "kind, leaves"),
    ],
)
def test_the_known_fields_are_named(trees: TestClient, path: str, body: object, known: str) -> None:
    answer = trees.post(path, json=body)
    assert answer.status_code == 422
    assert [one["message"] for one in answer.json()["errors"]] == [
        f"has an unknown field; known are {known}"
    ]
    assert "Ada" not in answer.text


def test_a_patient_names_its_fields(client_of: ClientOf) -> None:
    answer = client_of(Role.CLINICIAN).post(f"{API}/patients", json={"name": "A", "Ada": 1})
    (error,) = answer.json()["errors"]
    assert error["field"] == ""
    assert "birth_date" in error["message"]
    assert "Ada" not in answer.text


def test_a_route_without_a_body_knows_none() -> None:
    assert known_fields(None, []) == []
