"""Programs register users, by a token in a file or by an administrator's password."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from tests.fr_hub.web.conftest import NORTH, ClientOf
from tests.fr_hub.web.test_credentials import PASSWORD, basic
from tests.fr_hub.web.test_every_route import events

PATH = f"{API}/admin/register_user"
TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def token_file(context: WebContext, tmp_path: Path) -> Path:
    path = tmp_path / "admin.token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    settings = context.settings.model_copy(update={"admin_token_file": path})
    object.__setattr__(context, "settings", settings)
    return path


@pytest.mark.usefixtures("token_file")
def test_by_the_token_a_user_gets_a_token(stranger: TestClient, context: WebContext) -> None:
    headers = {"x-admin-token": TOKEN}
    answer = stranger.post(PATH, json={"username": "user"}, headers=headers)
    assert answer.status_code == 201
    assert (answer.json()["username"], answer.json()["tenant"]) == ("user", "default")
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert stranger.get(f"{API}/scans", headers=bearer).status_code == 200
    asked, one, _ = events(context)
    assert (asked["outcome"], asked["account"]) == ("asked for", "user")
    assert (one["by"], one["account"], one["kind"]) == ("x-admin-token", "user", "change")
    again = stranger.post(PATH, json={"username": "user"}, headers=headers)
    assert again.status_code == 409
    north = {"username": "user-2", "tenant": NORTH, "roles": ["reader"]}
    assert stranger.post(PATH, json=north, headers=headers).json()["tenant"] == NORTH
    nowhere = {"username": "user-3", "tenant": "nowhere"}
    assert stranger.post(PATH, json=nowhere, headers=headers).status_code == 422


def test_by_the_password_of_an_administrator_a_user_gets_a_password(
    stranger: TestClient, context: WebContext
) -> None:
    context.store.users.add(
        "root", "default", [Role.ADMIN], context.passwords.hash_now("an admin's password")
    )
    admin = basic("root", "an admin's password")
    given = {"username": "user", "password": PASSWORD}
    answer = stranger.post(PATH, json=given, headers=admin)
    assert (answer.status_code, answer.json()["token"]) == (201, None)
    assert stranger.get(f"{API}/scans", headers=basic("user", PASSWORD)).status_code == 200
    assert stranger.post(PATH, json=given, headers=basic("user", PASSWORD)).status_code == 403
    other = {"username": "user-2", "tenant": NORTH}
    assert stranger.post(PATH, json=other, headers=admin).status_code == 403


def test_another_token_or_none_opens_nothing_and_the_right_one_nothing_else(
    stranger: TestClient, token_file: Path
) -> None:
    body = {"username": "user"}
    for given in ("", "0" * 32, TOKEN[:-1]):
        headers = {"x-admin-token": given}
        assert stranger.post(PATH, json=body, headers=headers).status_code == 401
    right = {"x-admin-token": TOKEN}
    assert stranger.get(f"{API}/users", headers=right).status_code == 401
    token_file.chmod(0o644)
    assert stranger.post(PATH, json=body, headers=right).status_code == 401
    token_file.unlink()
    assert stranger.post(PATH, json=body, headers=right).status_code == 401


def test_a_user_with_the_name_of_the_tokens_owner_gains_nothing(
    stranger: TestClient, context: WebContext
) -> None:
    hashed = context.passwords.hash_now(PASSWORD)
    assert context.store.users.add("x-admin-token", NORTH, [Role.ADMIN], hashed)
    me, given = basic("x-admin-token", PASSWORD), {"username": "user", "roles": ["admin"]}
    answer = stranger.post(PATH, json={**given, "tenant": "default"}, headers=me)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert context.store.users.get("user") is None
    assert stranger.post(PATH, json=given, headers=me).json()["tenant"] == NORTH


@pytest.mark.usefixtures("token_file")
@pytest.mark.parametrize("name", ["x-admin-token", "X-Admin-Token"])
def test_nobody_gets_the_name_of_the_tokens_owner(
    stranger: TestClient, client_of: ClientOf, context: WebContext, name: str
) -> None:
    admin, by_token = client_of(Role.ADMIN), {"x-admin-token": TOKEN}
    user = {"name": name, "roles": ["reader"]}
    for answer in (
        admin.post(f"{API}/users", json=user),
        admin.post(PATH, json={"username": name}),
        *(
            stranger.post(path, json={"username": name}, headers=by_token)
            for path in (PATH, "/users", "/v1/admin/register_user")
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert context.store.users.get(name) is None
