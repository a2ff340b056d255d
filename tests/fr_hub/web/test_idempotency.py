"""A key makes one id; another request under it is refused."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import Response
from pydantic import BaseModel
from starlette.requests import Request

from common.domain.user import Principal, Role
from common.errors import StoreUnavailable
from common.store import requests
from common.store.db_manager import DBManager
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from fr_hub.web.idempotency import REPLAYED, Creation, carried_out, creation_of
from fr_hub.web.problems import Problem
from tests.factories import make_failed, together
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.uploads.test_uploads_killed import Web
from tests.processes import stop
from tests.running import until

ADA = Principal("ada", "default", frozenset({Role.CLINICIAN}))


class Thing(BaseModel):
    name: str
    size: int = 0


def request(path: str = "/api/v1/things") -> Request:
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    return Request({**scope, "scheme": "http", "server": ("localhost", 80)})


def creation(*arguments: Any) -> Creation:
    """The creation that a request asks for."""
    return asyncio.run(creation_of(*arguments))


def test_without_a_key_each_id_is_new() -> None:
    ids = {creation(request(), ADA).id for _ in range(3)}
    assert len(ids) == 3


def test_the_same_key_of_a_user_and_path_makes_the_same_id() -> None:
    one = creation(request(), ADA, "k").id
    assert len(one) == 32
    assert creation(request(), ADA, "k").id == one
    others = [
        creation(request(), ADA, "l"),
        creation(request("/api/v1/others"), ADA, "k"),
        creation(request(), Principal("eve", "default", ADA.roles), "k"),
        creation(request(), Principal("ada", "north", ADA.roles), "k"),
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


KEYED = Creation("c" * 32, has_key=True)


def test_a_request_is_carried_out_by_one_at_a_time(context: WebContext) -> None:
    store = context.store.requests
    with carried_out(KEYED, store, Thing(name="a")) as run:
        assert not run.is_repeated
        for body, status in ((Thing(name="a"), 409), (Thing(name="b"), 422)):
            with pytest.raises(Problem) as refused, carried_out(KEYED, store, body):
                pass
            assert refused.value.status == status
        run.end("{}")
    with carried_out(KEYED, store, Thing(name="a")) as run:
        assert (run.is_repeated, run.answer) == (True, "{}")


def test_a_request_that_takes_long_stays_with_who_carries_it_out(
    context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "_UNTIL", {"$add": ["$$NOW", 1200]})
    monkeypatch.setattr("fr_hub.web.idempotency.LEASE", timedelta(seconds=1.2))
    store = context.store.requests
    prolonged = []
    prolong = store.prolong

    def counted(*given: str) -> bool:
        prolonged.append(prolong(*given))
        return prolonged[-1]

    monkeypatch.setattr(store, "prolong", counted)
    with carried_out(KEYED, store, Thing(name="a")):
        until(lambda: len(prolonged) > 8)
        assert all(prolonged)
        with pytest.raises(Problem), carried_out(KEYED, store, Thing(name="a")):
            pass


def test_what_failed_may_be_sent_again_at_once(context: WebContext) -> None:
    store = context.store.requests
    for error in (StoreUnavailable("away"), Problem(409, "taken", "It is taken.")):
        with pytest.raises(type(error)), carried_out(KEYED, store, Thing(name="a")):
            raise error
        with carried_out(KEYED, store, Thing(name="a")) as run:
            assert run.answer is None
            store.forget(KEYED.id, run._runner)


def test_of_equal_requests_at_once_one_is_carried_out(
    client_of: ClientOf, context: WebContext, store: DBManager
) -> None:
    client = client_of(Role.ADMIN)
    me = client.get(f"{API}/session").json()["user"]
    failed = make_failed(store, 1)
    wanted = (
        ("tokens", {"label": "x"}),
        ("users", {"name": "bob", "roles": ["reader"]}),
        ("scans/requeue", {"ids": failed}),
    )
    for path, body in wanted:
        headers = {"Idempotency-Key": "key"}

        def post(_: int, path: str = path, body: object = body, headers: object = headers) -> int:
            answer = client.post(f"{API}/{path}", json=body, headers=headers)  # type: ignore[arg-type]
            if answer.status_code == 409:
                assert answer.json()["code"] == "request_running"
                assert answer.headers["Retry-After"]
            return answer.status_code

        assert set(together(6, post)) in ({201}, {201, 409}, {200}, {200, 409})
    assert len(context.store.tokens.of_user(me)) == 2  # with that of the client
    assert store.connection.requests.count_documents({"answer": {"$exists": True}}) == 3


def test_another_instance_answers_when_the_first_was_killed(
    store: DBManager, tmp_path: Path
) -> None:
    store.users.add("root", "default", [Role.ADMIN])
    headers = {
        "Authorization": f"Bearer {store.tokens.add('root', timedelta(hours=1))}",
        "Idempotency-Key": "key",
    }
    killed = Web(
        store, tmp_path / "a", "tests.fr_hub.web.uploads.killed_at", KILLED_AT="token made"
    )
    other = Web(store, tmp_path / "b")

    def post(web: Web) -> httpx2.Response:
        address = f"http://127.0.0.1:{web.port}{API}/tokens"
        return httpx2.post(address, headers=headers, json={"label": "x"}, timeout=30)

    try:
        with pytest.raises(httpx2.TransportError):
            post(killed)
        assert post(other).status_code == 409
        answer = until(lambda: (found := post(other)).status_code == 201 and found, 30)
        assert answer.headers[REPLAYED] == "true"
        assert len(store.tokens.of_user("root")) == 2  # that of the killed one was revoked
    finally:
        stop(killed.process)
        stop(other.process)
