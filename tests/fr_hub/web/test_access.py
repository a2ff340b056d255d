"""Nobody gets in without a token, and no role does more than it may."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.testclient import TestClient

from common.domain.user import Role
from fr_hub.web.app import OTHERS, ROUTERS
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


def test_what_waits_for_nothing_needs_no_thread() -> None:
    # FastAPI runs each dependency in a separate thread unless it is a coroutine.
    routes = [route for router in (*ROUTERS, *OTHERS) for route in router.routes]
    calls = {call for route in routes for call in _dependencies(route.dependant)}  # type: ignore[attr-defined]
    in_threads = {call.__name__ for call in calls if not inspect.iscoroutinefunction(call)}
    assert len(calls) > 10
    assert in_threads == {"asked_of"}, "asked_of may look up a patient"


def _dependencies(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for one in dependant.dependencies:
        assert one.call is not None
        yield one.call
        yield from _dependencies(one)
