"""The emergency account works at once, and whoever uses it raises an alarm."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import generate_latest

from common.domain.audit_events import Kind
from common.domain.user import Principal, Role
from common.store.db_manager import DBManager
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from fr_hub.web.emergency import EVERY_S, EmergencyAlarm
from tests.fr_hub.web.conftest import FAST, ClientOf
from tests.fr_hub.web.test_credentials import PASSWORD, basic

GLASS = Principal("glass", "default", frozenset({Role.EMERGENCY}))


def alarms(store: DBManager, context: WebContext) -> list[str]:
    context.audit.wait_durable()
    entries = store.audit_log.all_entries()
    events = [one for entry in entries for one in entry["events"]]
    return [one["by"] for one in events if one["kind"] == Kind.EMERGENCY]


def test_who_uses_it_sees_patients_and_raises_the_alarm(
    store: DBManager,
    context: WebContext,
    app: FastAPI,
    stranger: TestClient,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert store.users.add("glass", "default", [Role.EMERGENCY], FAST.hash(PASSWORD))
    assert store.users.add("ada", "default", [Role.CLINICIAN], FAST.hash(PASSWORD))
    given = {"user": "glass", "password": PASSWORD}
    assert stranger.post(f"{API}/session", json=given).status_code == 200
    assert alarms(store, context) == ["glass"]
    assert stranger.get(f"{API}/patients").status_code == 200
    assert stranger.get(f"{API}/audit").status_code == 403
    assert stranger.get(f"{API}/patients", headers=basic("ada", PASSWORD)).status_code == 200
    assert alarms(store, context) == ["glass"]
    assert "an emergency account is in use" in capfd.readouterr().out
    metrics = generate_latest(app.state.metrics.registry).decode()
    assert "fr_emergency_uses_total 1.0" in metrics


def test_the_alarm_is_raised_again_while_it_is_used_and_for_each_address(
    context: WebContext, store: DBManager
) -> None:
    now = [0.0]
    alarm = EmergencyAlarm(lambda: now[0])
    for address, at in (("a", 0), ("a", EVERY_S - 1), ("b", EVERY_S - 1), ("a", EVERY_S)):
        now[0] = at
        alarm.used(context, GLASS, address)
        context.audit.wait_durable()
    alarm.used(context, Principal("ada", "default", frozenset({Role.ADMIN})), "a")
    assert alarm.count == 3
    assert alarms(store, context) == ["glass"] * 3


def test_no_token_has_the_role_whenever_the_user_got_it(
    context: WebContext, stranger: TestClient, client_of: ClientOf
) -> None:
    assert context.store.users.add("ada", "default", [Role.READER])
    token = context.store.tokens.add("ada", timedelta(hours=1))
    admin, given = client_of(Role.ADMIN), {"roles": ["reader", "emergency"]}
    assert admin.patch(f"{API}/users/ada", json=given).status_code == 200
    headers = {"Authorization": f"Bearer {token}"}
    assert stranger.get(f"{API}/session", headers=headers).json()["roles"] == ["reader"]
    assert stranger.get(f"{API}/patients", headers=headers).status_code == 403
    assert context.emergency.count == 0


def test_who_registers_one_gives_it_a_password(context: WebContext, client_of: ClientOf) -> None:
    admin, path = client_of(Role.ADMIN), f"{API}/admin/register_user"
    given = {"username": "glass", "roles": ["emergency", "clinician"]}
    answer = admin.post(path, json=given)
    assert (answer.status_code, "password" in answer.json()["detail"]) == (422, True)
    assert context.store.users.get("glass") is None
    answer = admin.post(path, json={**given, "password": PASSWORD})
    assert (answer.status_code, answer.json()["token"]) == (201, None)
