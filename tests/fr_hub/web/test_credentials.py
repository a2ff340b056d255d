"""Passwords, cookies and tokens that come with requests."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection

from common.domain.user import Role
from common.errors import SettingsError
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from fr_hub.web.credentials import (
    COOKIE,
    PLAIN_COOKIE,
    address_of,
    admin_token,
    cookie_name,
    csrf_of,
)
from tests.fr_hub.web.conftest import basic

__all__ = ["basic"]

PASSWORD = "correct horse battery"  # noqa: S105 - of nothing
SCANS = f"{API}/scans"


def add(context: WebContext, name: str = "ada", password: str = PASSWORD) -> None:
    assert context.store.users.add(
        name, "default", [Role.READER], context.passwords.hash_now(password)
    )


def test_a_password_opens_and_a_wrong_one_does_not(
    stranger: TestClient, context: WebContext
) -> None:
    add(context)
    assert stranger.get(SCANS, headers=basic("ada", PASSWORD)).status_code == 200
    for name, password in (("ada", "wrong"), ("bob", PASSWORD), ("a" * 65, PASSWORD), ("ada", "")):
        assert stranger.get(SCANS, headers=basic(name, password)).status_code == 401
    for value in ("Basic", "Basic !", "Basic YWRh", "Digest x", "Bearer", "Bearer \u00e9"):
        answer = stranger.get(SCANS, headers=[(b"Authorization", value.encode("latin-1"))])
        assert answer.status_code == 401, value


def test_argon2_is_asked_once_and_again_after_a_change(
    stranger: TestClient, context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(context)
    checked = []
    check = context.passwords._check

    def counted(password: str, stored: str | None) -> bool:
        checked.append(password)
        return check(password, stored)

    monkeypatch.setattr(context.passwords, "_check", counted)
    for _ in range(3):
        assert stranger.get(SCANS, headers=basic("ada", PASSWORD)).status_code == 200
    assert len(checked) == 1
    context.store.users.change("ada", password=context.passwords.hash_now("another password"))
    assert stranger.get(SCANS, headers=basic("ada", PASSWORD)).status_code == 401
    assert stranger.get(SCANS, headers=basic("ada", "another password")).status_code == 200


def test_who_guesses_is_told_when_to_try_again_and_others_are_not_slowed(
    app: FastAPI, context: WebContext
) -> None:
    add(context)
    guesser = TestClient(app, client=("192.0.2.1", 1))
    for _ in range(3):
        assert guesser.get(SCANS, headers=basic("ada", "wrong")).status_code == 401
    answer = guesser.get(SCANS, headers=basic("ada", PASSWORD))
    assert (answer.status_code, answer.json()["code"]) == (429, "slowed")
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    elsewhere = TestClient(app, client=("192.0.2.2", 1))
    assert elsewhere.get(SCANS, headers=basic("ada", PASSWORD)).status_code == 200


def test_a_revoked_token_is_refused_at_the_next_request(
    stranger: TestClient, context: WebContext
) -> None:
    add(context)
    token = context.store.tokens.add("ada", timedelta(hours=1))
    headers = {"Authorization": f"bearer {token}"}
    assert stranger.get(SCANS, headers=headers).status_code == 200
    (found,) = context.store.tokens.of_user("ada")
    context.store.tokens.remove(found.id)
    assert stranger.get(SCANS, headers=headers).status_code == 401


def connection(scheme: str) -> HTTPConnection:
    return HTTPConnection(
        {"type": "http", "scheme": scheme, "path": "/", "headers": [], "client": ("192.0.2.7", 9)}
    )


def test_the_cookie_has_the_protected_name_with_tls() -> None:
    assert cookie_name(connection("https")) == COOKIE
    assert cookie_name(connection("http")) == PLAIN_COOKIE
    assert address_of(connection("http")) == "192.0.2.7"


def test_the_csrf_token_tells_nothing_of_the_session() -> None:
    assert csrf_of("a") != csrf_of("b")
    assert len(csrf_of("a")) == 64


def test_the_admin_token_is_of_this_user_alone_and_long(
    context: WebContext, tmp_path: Path
) -> None:
    path = tmp_path / "admin.token"
    settings = context.settings.model_copy(update={"admin_token_file": path})
    object.__setattr__(context, "settings", settings)
    with pytest.raises(SettingsError, match="No such file"):
        admin_token(context)
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="32 characters"):
        admin_token(context)
    path.write_text("t" * 32)
    assert admin_token(context) == "t" * 32
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        admin_token(context)


def test_checks_of_passwords_do_not_stop_the_event_loop(context: WebContext) -> None:
    async def beats() -> int:
        count = 0
        task = asyncio.create_task(context.passwords.hash(PASSWORD))
        while not task.done():
            count += 1
            await asyncio.sleep(0)
        return count

    assert asyncio.run(beats()) > 1
