"""Administrators manage the users of their tenant."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from tests.fr_hub.web.conftest import NORTH, ClientOf
from tests.fr_hub.web.test_credentials import PASSWORD, basic

USERS = f"{API}/users"
BOB = {"name": "bob", "roles": ["reader"], "password": PASSWORD}


def test_a_user_is_created_read_changed_and_deleted(
    client_of: ClientOf, stranger: TestClient
) -> None:
    admin = client_of(Role.ADMIN)
    made = admin.post(USERS, json=BOB)
    assert made.status_code == 201
    assert made.headers["location"] == f"{USERS}/bob"
    assert (made.json()["tenant"], made.json()["has_password"]) == ("default", True)
    assert PASSWORD not in made.text
    assert "argon2" not in made.text
    assert stranger.get(f"{API}/scans", headers=basic("bob", PASSWORD)).status_code == 200
    read = admin.get(f"{USERS}/bob")
    assert read.json() == made.json()
    changed = admin.patch(
        f"{USERS}/bob", json={"roles": ["auditor"]}, headers={"If-Match": read.headers["etag"]}
    )
    assert changed.json()["roles"] == ["auditor"]
    assert stranger.get(f"{API}/scans", headers=basic("bob", PASSWORD)).status_code == 403
    new = {"password": "another password"}
    stale = admin.patch(f"{USERS}/bob", json=new, headers={"If-Match": read.headers["etag"]})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed_meanwhile")
    assert admin.patch(f"{USERS}/bob", json=new).status_code == 200
    assert stranger.get(f"{API}/audit", headers=basic("bob", PASSWORD)).status_code == 401
    assert admin.delete(f"{USERS}/bob").status_code == 204
    assert admin.get(f"{USERS}/bob").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {**BOB, "name": "b b"},
        {**BOB, "name": "b" * 65},
        {**BOB, "roles": []},
        {**BOB, "roles": ["king"]},
        {**BOB, "password": "short"},
        {**BOB, "password": "x" * 257},
        {**BOB, "tenant": NORTH},
        {"roles": ["reader"]},
    ],
)
def test_what_cannot_be_is_refused_and_not_repeated(
    client_of: ClientOf, body: dict[str, object]
) -> None:
    answer = client_of(Role.ADMIN).post(USERS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "xxx" not in answer.text
    assert "short" not in answer.text


def test_a_name_is_given_once_over_all_tenants(client_of: ClientOf) -> None:
    assert client_of(Role.ADMIN, tenant=NORTH).post(USERS, json=BOB).status_code == 201
    admin = client_of(Role.ADMIN)
    again = admin.post(USERS, json=BOB)
    assert (again.status_code, again.json()["code"]) == (409, "taken")
    assert admin.get(f"{USERS}/bob").status_code == 404


def test_the_last_administrator_stays(client_of: ClientOf, context: WebContext) -> None:
    admin = client_of(Role.ADMIN)
    (name,) = (one["name"] for one in admin.get(USERS).json()["items"])
    for answer in (
        admin.delete(f"{USERS}/{name}"),
        admin.patch(f"{USERS}/{name}", json={"roles": ["reader"]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator")
    context.store.users.add("eve", NORTH, [Role.ADMIN])
    assert admin.delete(f"{USERS}/{name}").status_code == 409, "another tenant's is none"
    context.store.users.add("bob", "default", [Role.ADMIN])
    assert admin.delete(f"{USERS}/{name}").status_code == 204


def test_pages_have_each_user_of_the_tenant_once(client_of: ClientOf, context: WebContext) -> None:
    for n in range(5):
        context.store.users.add(f"here-{n}", "default", [Role.READER])
        context.store.users.add(f"there-{n}", NORTH, [Role.READER])
    admin = client_of(Role.ADMIN)
    names, after = [], ""
    while after is not None:
        page = admin.get(USERS, params={"limit": 2, "after": after}).json()
        names += [one["name"] for one in page["items"]]
        assert page["total"] == 6
        after = page["next"]
    assert [name for name in names if not name.startswith("user-")] == [
        f"here-{n}" for n in range(5)
    ]
    assert len(names) == len(set(names)) == 6


def test_a_user_is_created_once_however_often_the_request_comes(client_of: ClientOf) -> None:
    admin, headers = client_of(Role.ADMIN), {"Idempotency-Key": "key-1"}
    first = admin.post(USERS, json=BOB, headers=headers)
    again = admin.post(USERS, json=BOB, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert (again.headers["Idempotency-Replayed"], again.headers["ETag"]) == ("true", '"1"')
    assert admin.post(USERS, json=BOB, headers={"Idempotency-Key": "key-2"}).status_code == 409
    other = admin.post(USERS, json={**BOB, "name": "eve"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    # One that was refused may be sent again: the name is free now.
    admin.delete(f"{USERS}/bob")
    assert admin.post(USERS, json=BOB, headers={"Idempotency-Key": "key-2"}).status_code == 201


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_administrators_who_demote_each_other_at_once_leave_one(
    client_of: ClientOf, context: WebContext, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    clients = [client_of(Role.ADMIN) for _ in range(2)]
    names = [client.get(f"{API}/session").json()["user"] for client in clients]
    users = type(context.store.users)
    both = threading.Barrier(2)
    verb = "change" if method == "PATCH" else "remove"
    real = getattr(users, verb)

    def together(*given: object, **named: object) -> object:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(1)  # both have asked whether another one stays
        return real(*given, **named)

    monkeypatch.setattr(users, verb, together)
    body = {"roles": ["reader"]} if method == "PATCH" else None
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(client.request, method, f"{USERS}/{other}", json=body)
            for client, other in zip(clients, reversed(names), strict=True)
        ]
        answers = [one.result() for one in asked]
    refused = [one.json()["code"] for one in answers if one.status_code >= 400]
    assert refused
    assert set(refused) == {"last_administrator"}
    monkeypatch.undo()
    assert context.store.users.count_with(Role.ADMIN, "default") == len(refused)


def test_a_refused_demotion_leaves_nothing_behind(client_of: ClientOf, context: WebContext) -> None:
    first = client_of(Role.ADMIN)
    name = first.get(f"{API}/session").json()["user"]
    refused = first.patch(f"{USERS}/{name}", json={"roles": ["reader"]})
    assert refused.json()["code"] == "last_administrator"
    second = client_of(Role.ADMIN)
    other = second.get(f"{API}/session").json()["user"]
    assert first.patch(f"{USERS}/{other}", json={"roles": ["reader"]}).status_code == 200
    third = client_of(Role.ADMIN)
    assert third.delete(f"{USERS}/{name}").status_code == 204
    assert context.store.users.count_with(Role.ADMIN, "default") == 1
