"""Auditors search the trail of their tenant."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from tests.factories import make_scan
from tests.fr_hub.web.conftest import NORTH, ClientOf, basic

AUDIT = f"{API}/audit"


def found(client: TestClient, context: WebContext, **wanted: Any) -> list[dict[str, Any]]:
    context.audit.wait_durable()
    answer = client.get(AUDIT, params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_the_trail_tells_who_did_what(client_of: ClientOf, context: WebContext) -> None:
    admin, auditor = client_of(Role.ADMIN), client_of(Role.AUDITOR)
    admin.post(f"{API}/users", json={"name": "bob", "roles": ["reader"]})
    one, asked = found(auditor, context, kind="change")
    assert (asked["outcome"], asked["facts"]["account"]) == ("asked for", "bob")
    assert one["by"].startswith("user-")
    assert (one["route"], one["outcome"]) == (f"POST {API}/users", "done")
    assert (one["facts"]["account"], one["facts"]["roles"]) == ("bob", "reader")
    assert one["entry"].startswith("fr-web-")
    assert found(auditor, context, user=one["by"]) == [one, asked]
    assert found(auditor, context, user="nobody") == []
    assert found(auditor, context, until=one["at"], kind="query") == []
    assert found(auditor, context, since=one["at"], kind=["query", "view"]) != []


def test_a_tenant_finds_nothing_of_another(
    client_of: ClientOf, context: WebContext, store: DBManager
) -> None:
    scan, voxels = make_scan(pacs="mr-1")
    store.recorded_by(context.audit).scans.add([NewScan(scan, voxels)])
    context.audit.note("receive", [scan.key], peer="mr-1", outcome="stored")  # type: ignore[arg-type]
    here, north = client_of(Role.AUDITOR), client_of(Role.AUDITOR, tenant=NORTH)
    assert found(here, context, scan=scan.key) == []
    assert {tuple(one["scans"]) for one in found(north, context, scan=scan.key)} == {(scan.key,)}
    assert {one["facts"].get("tenant") for one in found(north, context)} == {None}
    assert all(one["kind"] != "opened" for one in found(north, context))


def test_pages_follow_each_other(client_of: ClientOf, context: WebContext) -> None:
    reader, auditor = client_of(Role.READER), client_of(Role.AUDITOR)
    for _ in range(7):
        reader.get(f"{API}/scans")
        context.audit.wait_durable()
    seen, after = [], None
    while True:
        given: dict[str, str | int] = {
            "limit": 3,
            "kind": "query",
            "until": "2100-01-01T00:00:00Z",
        }
        page = auditor.get(AUDIT, params=given | ({} if after is None else {"after": after})).json()
        seen += [one["facts"]["request"] for one in page["items"] if "scans" in one["route"]]
        if (after := page["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    "wanted",
    [
        {"after": "no"},
        {"after": "W10"},
        {"after": "WzFlOTksIngiLDAsMF0"},
        {"kind": "nonsense"},
        {"since": "2026-11-29T08:00:00"},
        {"scan": "Ada Lovelace"},
        {"limit": 0},
    ],
)
def test_what_cannot_be_is_refused(client_of: ClientOf, wanted: dict[str, Any]) -> None:
    answer = client_of(Role.AUDITOR).get(AUDIT, params=wanted)
    assert answer.status_code == 422
    assert "Ada" not in answer.text


def test_guesses_at_a_user_are_seen_by_the_auditors_of_their_tenant_alone(
    client_of: ClientOf, stranger: TestClient, context: WebContext
) -> None:
    context.store.users.add("eve", NORTH, [Role.READER])
    assert stranger.get(f"{API}/scans").status_code == 401
    for name in ("eve", "nobody"):
        headers = basic(name, "a wrong password")
        assert stranger.get(f"{API}/scans", headers=headers).status_code == 401
    north, here = client_of(Role.AUDITOR, tenant=NORTH), client_of(Role.AUDITOR)
    (guess,) = found(north, context, kind="refuse")
    assert (guess["facts"]["account"], guess["outcome"]) == ("eve", "unauthorized")
    others = found(here, context, kind="refuse")
    assert others
    assert "eve" not in str(others)
