"""Tokens for scripts: their text is told once, and they have no more roles than their user."""

from datetime import datetime, timedelta
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from common.domain.types import utc_now
from common.domain.user import Role
from common.store import tokens
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from tests.fr_hub.web.conftest import NORTH, ClientOf

TOKENS = f"{API}/tokens"


def made(client: TestClient, user: str | None = None, **body: Any) -> dict[str, Any]:
    answer = client.post(TOKENS, json=body, params={} if user is None else {"user": user})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def script(app: FastAPI, token: str) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {token}"})


def test_a_token_is_made_listed_used_and_revoked(app: FastAPI, client_of: ClientOf) -> None:
    client = client_of(Role.READER)
    token = made(client, label="nightly export", days=1)
    expires = datetime.fromisoformat(token["expires_at"])
    assert timedelta(hours=23) < expires - utc_now() <= timedelta(days=1)
    listed = client.get(TOKENS).json()["items"]
    assert {one["label"] for one in listed} == {"", "nightly export"}
    assert token["token"] not in str(listed)
    user = script(app, token["token"])
    assert user.get(f"{API}/scans").status_code == 200
    assert client.delete(f"{TOKENS}/{token['id']}").status_code == 204
    assert user.get(f"{API}/scans").status_code == 401
    assert client.delete(f"{TOKENS}/{token['id']}").status_code == 404


def test_a_token_has_fewer_roles_if_asked_and_makes_no_stronger_one(
    app: FastAPI, client_of: ClientOf
) -> None:
    client = client_of(Role.READER, Role.AUDITOR)
    weak = script(app, made(client, roles=["reader"])["token"])
    assert weak.get(f"{API}/audit").status_code == 403
    assert script(app, made(weak)["token"]).get(f"{API}/audit").status_code == 403
    assert made(weak, roles=["reader", "auditor"])["roles"] == ["reader"]
    answer = client.post(TOKENS, json={"roles": ["admin"]})
    assert answer.status_code == 422


def test_an_administrator_has_the_tokens_of_their_tenants_users_and_nobody_elses(
    client_of: ClientOf, context: WebContext
) -> None:
    context.store.users.add("ada", "default", [Role.READER])
    context.store.users.add("eve", NORTH, [Role.READER])
    admin, reader = client_of(Role.ADMIN), client_of(Role.READER)
    token = made(admin, "ada")
    assert token["user"] == "ada"
    assert [one["id"] for one in admin.get(TOKENS, params={"user": "ada"}).json()["items"]] == [
        token["id"]
    ]
    for client, user in ((admin, "eve"), (reader, "ada"), (reader, "nobody")):
        assert client.get(TOKENS, params={"user": user}).status_code == 404
        assert client.post(TOKENS, json={}, params={"user": user}).status_code == 404
    assert reader.delete(f"{TOKENS}/{token['id']}").status_code == 404
    assert admin.delete(f"{TOKENS}/{token['id']}").status_code == 204


def test_limits_are_told(client_of: ClientOf, context: WebContext) -> None:
    client = client_of(Role.READER)
    assert "365" in client.post(TOKENS, json={"days": 366}).json()["detail"]
    assert client.post(TOKENS, json={"label": "a\nb"}).status_code == 422
    (mine,) = client.get(TOKENS).json()["items"]
    for _ in range(tokens.TOKENS_MAX - 1):
        context.store.tokens.add(mine["user"], timedelta(hours=1))
    assert client.post(TOKENS, json={}).json()["code"] == "too_many"


def test_a_token_is_made_once_however_often_the_request_comes(
    app: FastAPI, client_of: ClientOf
) -> None:
    client, headers = client_of(Role.READER), {"Idempotency-Key": "key-1"}
    first = client.post(TOKENS, json={"label": "export"}, headers=headers).json()
    again = client.post(TOKENS, json={"label": "export"}, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [one["label"] for one in client.get(TOKENS).json()["items"]].count("export") == 1
    assert script(app, first["token"]).get(f"{API}/scans").status_code == 401
    assert script(app, again.json()["token"]).get(f"{API}/scans").status_code == 200
    other = client.post(TOKENS, json={"label": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_an_emergency_account_has_no_tokens(client_of: ClientOf) -> None:
    glass = client_of(Role.EMERGENCY)
    assert glass.post(TOKENS, json={}).status_code == 422


def test_a_token_made_by_a_token_ends_with_it(app: FastAPI, client_of: ClientOf) -> None:
    client = client_of(Role.READER)
    parent = made(client, days=1, label="parent")
    child = made(script(app, parent["token"]), days=90, label="child")
    grandchild = made(script(app, child["token"]), days=90, label="grandchild")
    for one in (child, grandchild):
        assert one["expires_at"] == parent["expires_at"]
        assert script(app, one["token"]).get(f"{API}/scans").status_code == 200
    assert client.delete(f"{TOKENS}/{parent['id']}").status_code == 204
    for one in (child, grandchild):
        assert script(app, one["token"]).get(f"{API}/scans").status_code == 401
    assert {one["label"] for one in client.get(TOKENS).json()["items"]} == {""}


def test_a_token_made_while_its_maker_is_revoked_opens_nothing(
    app: FastAPI, client_of: ClientOf, context: WebContext
) -> None:
    client = client_of(Role.READER)
    parent = made(client)
    assert client.delete(f"{TOKENS}/{parent['id']}").status_code == 204
    late = context.store.tokens.add(parent["user"], timedelta(hours=1), parent=parent["token"])
    assert script(app, late).get(f"{API}/scans").status_code == 401


def test_a_token_of_all_roles_by_name_makes_none_that_gets_later_ones(
    app: FastAPI, client_of: ClientOf, context: WebContext
) -> None:
    parent = made(client_of(Role.READER), roles=["reader"])
    child = made(script(app, parent["token"]))
    assert child["roles"] == ["reader"]
    context.store.users.change(parent["user"], roles=[Role.READER, Role.AUDITOR])
    assert script(app, child["token"]).get(f"{API}/audit").status_code == 403


def test_an_administrators_token_of_another_user_opens_no_ecgs(
    app: FastAPI, client_of: ClientOf
) -> None:
    admin, jane = client_of(Role.ADMIN), client_of(Role.CLINICIAN)
    name = jane.get(f"{API}/session").json()["user"]
    assert script(app, made(jane)["token"]).get(f"{API}/ecgs").status_code == 200
    theirs = script(app, made(admin, name)["token"])
    assert theirs.get(f"{API}/scans").status_code == 200
    for client in (theirs, script(app, made(theirs)["token"])):
        assert client.get(f"{API}/ecgs").status_code == 403
        assert "ecgs" not in client.get(f"{API}/session").json()["rights"]
