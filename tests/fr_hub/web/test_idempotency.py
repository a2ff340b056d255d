"""A key makes one id; another request under it is refused."""

import pytest
from fastapi import Response
from pydantic import BaseModel
from starlette.requests import Request

from common.domain.user import Principal, Role
from fr_hub.web.idempotency import REPLAYED, Creation, creation_of
from fr_hub.web.problems import Problem

ADA = Principal("ada", "default", frozenset({Role.CLINICIAN}))


class Thing(BaseModel):
    name: str
    size: int = 0


def request(path: str = "/api/v1/things") -> Request:
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    return Request({**scope, "scheme": "http", "server": ("localhost", 80)})


def test_without_a_key_each_id_is_new() -> None:
    ids = {creation_of(request(), ADA).id for _ in range(3)}
    assert len(ids) == 3


def test_the_same_key_of_a_user_and_path_makes_the_same_id() -> None:
    one = creation_of(request(), ADA, "k").id
    assert len(one) == 32
    assert creation_of(request(), ADA, "k").id == one
    others = [
        creation_of(request(), ADA, "l"),
        creation_of(request("/api/v1/others"), ADA, "k"),
        creation_of(request(), Principal("eve", "default", ADA.roles), "k"),
        creation_of(request(), Principal("ada", "north", ADA.roles), "k"),
    ]
    assert one not in {other.id for other in others}


def test_another_request_under_a_key_is_refused() -> None:
    creation = Creation("a" * 32)
    stored = creation.fingerprint(Thing(name="a", size=1))
    creation.check(stored, Thing(name="a", size=1))
    with pytest.raises(Problem) as refused:
        creation.check(stored, Thing(name="a", size=2))
    assert refused.value.status == 422
    assert Creation("b" * 32).fingerprint(Thing(name="a", size=1)) != stored


def test_the_answer_to_a_repetition_is_marked() -> None:
    response = Response()
    Creation.answer(response, is_new=True)
    assert REPLAYED not in response.headers
    Creation.answer(response, is_new=False)
    assert response.headers[REPLAYED] == "true"
