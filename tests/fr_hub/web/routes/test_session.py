"""Signing in with a password or the one-time address, and signing out."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.concurrency import run_in_threadpool

from common.domain.types import utc_now
from common.domain.user import Right, Role
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from fr_hub.web.first_start import first_address, token_file
from fr_hub.web.passwords import Passwords
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.test_credentials import PASSWORD, add
from tests.fr_hub.web.test_every_route import events

SESSION = f"{API}/session"
GIVEN = {"user": "ada", "password": PASSWORD}


@pytest.fixture
def browser(app: FastAPI, context: WebContext) -> TestClient:
    """One that has not signed in yet; there is a user 'ada'."""
    add(context)
    return TestClient(app, base_url="https://fr.example")


def test_a_session_lasts_from_signing_in_to_signing_out(browser: TestClient) -> None:
    answer = browser.post(SESSION, json=GIVEN)
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["user"], shown["tenant"], shown["roles"]) == ("ada", "default", ["reader"])
    assert shown["rights"] == [Right.READ]
    cookie = answer.headers["set-cookie"]
    name, _, attributes = cookie.partition(";")
    assert name.startswith("__Host-fr-session=")
    given = {one.strip().lower() for one in attributes.split(";")}
    assert given == {"httponly", "path=/", "samesite=strict", "secure"}
    now = browser.get(SESSION).json()
    assert now == shown | {"expires_at": now["expires_at"]}
    assert browser.delete(SESSION).status_code == 403, "without the CSRF token"
    kept = browser.cookies["__Host-fr-session"]
    assert browser.delete(SESSION, headers={"X-CSRF-Token": shown["csrf"]}).status_code == 204
    browser.cookies.set("__Host-fr-session", kept)
    assert browser.get(SESSION).status_code == 401, "the session ended on the server"


def test_asking_who_is_signed_in_is_not_recorded(client_of: ClientOf, context: WebContext) -> None:
    # The page asks at each load, so such events would hide the others.
    client = client_of(Role.READER)
    for path in (SESSION, f"{API}/scans"):
        assert client.get(path).status_code == 200
    assert [one["route"] for one in events(context)] == [f"GET {API}/scans"]


def test_without_tls_the_cookie_has_a_plain_name(app: FastAPI, browser: TestClient) -> None:
    plain = TestClient(app, base_url="http://127.0.0.1:7300")
    answer = plain.post(SESSION, json=GIVEN)
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("fr-session=")
    assert "secure" not in cookie
    assert plain.get(f"{API}/scans").status_code == 200
    browser.cookies.set("fr-session", plain.cookies["fr-session"])
    assert browser.get(f"{API}/scans").status_code == 401, "with TLS only the protected one counts"


def test_signing_in_again_ends_the_session_before(browser: TestClient) -> None:
    browser.post(SESSION, json=GIVEN)
    first = browser.cookies["__Host-fr-session"]
    browser.post(SESSION, json=GIVEN)
    assert browser.cookies["__Host-fr-session"] != first
    browser.cookies.clear()
    browser.cookies.set("__Host-fr-session", first)
    assert browser.get(SESSION).status_code == 401


def test_a_wrong_name_and_a_wrong_password_answer_the_same(browser: TestClient) -> None:
    answers = [
        browser.post(SESSION, json={"user": name, "password": password})
        for name, password in (("ada", "wrong"), ("nobody", PASSWORD))
    ]
    assert [one.status_code for one in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert "set-cookie" not in answers[0].headers
    assert browser.post(SESSION, json={**GIVEN, "more": 1}).status_code == 422


def test_an_idle_session_ends(browser: TestClient, context: WebContext) -> None:
    browser.post(SESSION, json=GIVEN)
    long_ago = utc_now() - timedelta(minutes=15, seconds=1)
    context.store.sessions._db.sessions.update_one({}, {"$set": {"used_at": long_ago}})
    assert browser.get(SESSION).status_code == 401


def test_ones_own_password_is_changed_with_the_old_one(app: FastAPI, browser: TestClient) -> None:
    other = TestClient(app, base_url="https://fr.example")
    other.post(SESSION, json=GIVEN)
    headers = {"X-CSRF-Token": browser.post(SESSION, json=GIVEN).json()["csrf"]}
    new = "a much better password"

    def change(current: str, to: str) -> int:
        body = {"current": current, "new": to}
        return browser.put(f"{SESSION}/password", json=body, headers=headers).status_code

    assert change("wrong", new) == 403
    assert change(PASSWORD, "short") == 422
    assert change(PASSWORD, new) == 204
    assert browser.get(SESSION).status_code == 200
    assert other.get(SESSION).status_code == 401, "other sessions ended"
    assert other.post(SESSION, json=GIVEN).status_code == 401
    assert other.post(SESSION, json={**GIVEN, "password": new}).status_code == 200


def test_the_one_time_address_works_once(app: FastAPI, context: WebContext, tmp_path: Path) -> None:
    settings = context.settings.model_copy(update={"data_dir": tmp_path})
    object.__setattr__(context, "settings", settings)
    address = first_address(settings, context.store.users)
    assert address is not None
    token = address.partition("#one-time=")[2]
    client = TestClient(app, base_url="http://127.0.0.1:7300")
    assert client.post(f"{SESSION}/one-time", json={"token": "x" * 43}).status_code == 401
    shown = client.post(f"{SESSION}/one-time", json={"token": token}).json()
    assert (shown["user"], shown["roles"]) == ("admin", ["admin"])
    assert client.get(f"{API}/users").status_code == 200
    assert not token_file(settings).exists()
    again = TestClient(app).post(f"{SESSION}/one-time", json={"token": token})
    assert again.status_code == 401
    assert list(tmp_path.iterdir()) == []


def test_the_trail_has_who_signed_in_and_that_somebody_could_not(
    browser: TestClient, context: WebContext
) -> None:
    browser.post(SESSION, json={**GIVEN, "password": "wrong"})
    csrf = browser.post(SESSION, json=GIVEN).json()["csrf"]
    browser.delete(SESSION, headers={"X-CSRF-Token": csrf})
    failed, signed_in, signed_out = events(context)
    assert (failed["kind"], failed["cause"]) == ("refuse", f"POST {SESSION}, account ada")
    assert (signed_in["kind"], signed_in["by"], signed_in["via"]) == ("sign_in", "ada", "session")
    assert (signed_out["kind"], signed_out["by"]) == ("sign_out", "ada")
    assert PASSWORD not in str([failed, signed_in, signed_out])


@pytest.fixture
def reset_during(client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has an administrator reset ada's password when a request ends a call of this method of
    Passwords."""
    admin = client_of(Role.ADMIN)

    def during(name: str) -> None:
        method = getattr(Passwords, name)

        async def overtaken(self: Passwords, *given: str) -> object:
            result = await method(self, *given)
            monkeypatch.setattr(Passwords, name, method)
            reset = {"password": "by the administrator"}
            answer = await run_in_threadpool(admin.patch, f"{API}/users/ada", json=reset)
            assert answer.status_code == 200
            return result

        monkeypatch.setattr(Passwords, name, overtaken)

    return during


def test_a_session_that_begins_during_a_reset_does_not_outlive_it(
    browser: TestClient, reset_during: Callable[[str], None]
) -> None:
    reset_during("is_right")
    browser.post(SESSION, json=GIVEN)
    assert browser.get(SESSION).status_code == 401
    given = {**GIVEN, "password": "by the administrator"}
    assert browser.post(SESSION, json=given).status_code == 200
    assert browser.get(SESSION).status_code == 200


def test_the_old_password_does_not_undo_a_reset(
    browser: TestClient, reset_during: Callable[[str], None]
) -> None:
    headers = {"X-CSRF-Token": browser.post(SESSION, json=GIVEN).json()["csrf"]}
    reset_during("hash")
    change = {"current": PASSWORD, "new": "of who knew the old one"}
    answer = browser.put(f"{SESSION}/password", json=change, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    for password, status in ((change["new"], 401), ("by the administrator", 200)):
        given = {**GIVEN, "password": password}
        assert browser.post(SESSION, json=given).status_code == status
