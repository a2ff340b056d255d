"""No change is made that the audit trail does not know: each route that changes something is called
with a trail that cannot be written, and a process is killed between a change and its answer."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from common.audit.writer import AuditWriter
from common.domain.audit_events import ASKED_FOR, Kind
from common.domain.user import Role
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.token_documents import token_id
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from tests.factories import edit, inside, make_scan
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.test_every_route import ROUTES, WEIGHT, events
from tests.fr_hub.web.uploads.test_uploads_killed import Web
from tests.processes import stop
from tests.web_records import measurement, patient

ETAG = {"If-Match": '"1"'}


def _scan(store: DBManager, state: str = "To Do") -> str:
    scan, voxels = make_scan(pacs="pacs-1")
    store.scans.add([NewScan(scan, voxels)])
    edit(store, scan.key, report_generated=state)
    return scan.key


def _user(store: DBManager) -> str:
    store.users.add("eve", "default", [Role.READER])
    return "eve"


def _token(store: DBManager) -> str:
    return token_id(store.tokens.add(_user(store), timedelta(hours=1)))


def _patient(store: DBManager) -> str:
    return store.patients.add("default", "p-1", patient())[0].id


def _measurement(store: DBManager) -> str:
    _patient(store)
    store.measurements.add("default", "p-1", "m-1", measurement())
    return "m-1"


def _body(**fields: Any) -> dict[str, Any]:
    return {"json": fields}


Plan = Callable[[DBManager], dict[str, Any]]
"""Makes what is to be changed; returns what the request needs, its ``path`` among it if it has
parameters."""

_NEW_USER = {"name": "bob", "roles": ["reader"]}
_REGISTERED = {"username": "bob", "password": "correct horse battery"}

CHANGES: dict[str, Plan] = {
    f"POST {API}/users": lambda _: {"json": _NEW_USER},
    f"PATCH {API}/users/{{user}}": lambda s: {
        "path": f"{API}/users/{_user(s)}",
        **_body(roles=["clinician"]),
    },
    f"DELETE {API}/users/{{user}}": lambda s: {"path": f"{API}/users/{_user(s)}"},
    f"POST {API}/tokens": lambda _: _body(label="x"),
    f"DELETE {API}/tokens/{{token_id}}": lambda s: {"path": f"{API}/tokens/{_token(s)}"},
    f"POST {API}/admin/register_user": lambda _: {"json": _REGISTERED},
    "POST /users": lambda _: {"json": _REGISTERED},
    "POST /v1/admin/register_user": lambda _: {"json": _REGISTERED},
    f"POST {API}/patients": lambda _: _body(name="Ada"),
    f"POST {API}/patient": lambda _: _body(name="Ada"),
    f"PATCH {API}/patients/{{patient_id}}": lambda s: {
        "path": f"{API}/patients/{_patient(s)}",
        "headers": ETAG,
        **_body(name="Bea"),
    },
    f"DELETE {API}/patients/{{patient_id}}": lambda s: {
        "path": f"{API}/patients/{_patient(s)}",
        "params": {"confirm": 0},
        "headers": ETAG,
    },
    f"POST {API}/patient/delete/{{patient_id}}": lambda s: {
        "path": f"{API}/patient/delete/{_patient(s)}"
    },
    f"POST {API}/patients/{{patient_id}}/measurements": lambda s: {
        "path": f"{API}/patients/{_patient(s)}/measurements",
        "json": WEIGHT,
    },
    f"POST {API}/patient/{{patient_id}}/measurements": lambda s: {
        "path": f"{API}/patient/{_patient(s)}/measurements",
        "json": WEIGHT,
    },
    f"DELETE {API}/measurements/{{measurement_id}}": lambda s: {
        "path": f"{API}/measurements/{_measurement(s)}"
    },
    f"POST {API}/measurements/delete/{{measurement_id}}": lambda s: {
        "path": f"{API}/measurements/delete/{_measurement(s)}"
    },
    f"POST {API}/scans/requeue": lambda s: _body(ids=[_scan(s, "Error")]),
    f"POST {API}/scans/reanalyze": lambda s: _body(ids=[_scan(s)]),
    f"POST {API}/scans/priority": lambda s: _body(ids=[_scan(s)], priority="stat"),
    f"POST {API}/scans/erase": lambda s: _body(ids=[_scan(s)]),
}
"""A valid request of each route that changes something."""

OTHERS: dict[str, str] = {
    f"PUT {API}/session/password": "below, as it needs the password",
    f"POST {API}/scans": "a scan is acknowledged only when its event is durable, as by Fr-HUB",
    f"POST {API}/ecgs": "the same",
    "POST /ecgs": "the same",
    "POST /v1/ecgs": "the same",
    f"DELETE {API}/ecgs/{{ecg_id}}": "erased as by POST /scans/erase",
    f"POST {API}/uploads": "files of one process, which are no scans yet",
    f"PATCH {API}/uploads/{{upload_id}}": "the same",
    f"DELETE {API}/uploads/{{upload_id}}": "the same",
    f"POST {API}/uploads/{{upload_id}}/finish": "as POST /scans",
}
"""Routes that are recorded as changes, and have no request above: and why."""

_NOT_CHANGED = {Collection.EVENTS, Collection.NOTIFICATIONS, Collection.SESSIONS}


def contents(store: DBManager) -> dict[str, list[Any]]:
    """All that a change could change."""
    some = [c for c in Collection if not c.startswith("brain_audit") and c not in _NOT_CHANGED]
    return {str(one): list(inside(store, one).find(sort=[("_id", 1)])) for one in some}


def test_each_route_that_changes_something_is_tested_here() -> None:
    changing = {one.name for one in ROUTES if one.kind in (Kind.CHANGE, Kind.DELETE)}
    assert changing == CHANGES.keys() | OTHERS.keys()
    assert not CHANGES.keys() & OTHERS.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_cannot_be_recorded_is_not_made(
    name: str, client_of: ClientOf, context: WebContext, store: DBManager
) -> None:
    method, _, path = name.partition(" ")
    client = client_of(*(set(Role) - {Role.EMERGENCY}))
    request = CHANGES[name](store)
    before = contents(store)
    assert isinstance(context.audit, AuditWriter)
    assert context.audit.close()  # as when the trail cannot be written
    answer = client.request(method, request.pop("path", path), **request)
    if answer.status_code == 200:  # of scans: one that is not to be changed
        assert [one["outcome"] for one in answer.json()["outcomes"]] == ["unchanged"]
    else:
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert contents(store) == before


def test_a_password_that_cannot_be_recorded_is_not_changed(
    client_of: ClientOf, context: WebContext, store: DBManager
) -> None:
    client = client_of(Role.READER)
    name = client.get(f"{API}/session").json()["user"]  # which is the password, too
    before = contents(store)
    assert isinstance(context.audit, AuditWriter)
    assert context.audit.close()
    new = {"current": name, "new": "correct horse battery"}
    answer = client.put(f"{API}/session/password", json=new)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert contents(store) == before


@pytest.mark.parametrize("name", [one for one in CHANGES if "/scans/" not in one])
def test_a_change_has_an_event_before_it_and_one_after_it(
    name: str, client_of: ClientOf, context: WebContext, store: DBManager
) -> None:
    method, _, path = name.partition(" ")
    client = client_of(*(set(Role) - {Role.EMERGENCY}))
    request = CHANGES[name](store)
    answer = client.request(method, request.pop("path", path), **request)
    assert answer.is_success, answer.text
    first, second = events(context)
    assert (first["outcome"], second["outcome"]) == (ASKED_FOR, "done")
    assert first["kind"] == second["kind"]
    told = {"by", "tenant", "route", "request"}
    told |= first.keys() & {"account", "roles", "patient_id", "measurement_id", "token_id"}
    assert {one: first[one] for one in told} == {one: second[one] for one in told}
    assert told & {"account", "patient_id", "measurement_id"}


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ("user added", f"POST {API}/users"),
        ("user changed", f"PATCH {API}/users/{{user}}"),
        ("token made", f"POST {API}/tokens"),
        ("patient added", f"POST {API}/patients"),
        ("patient changed", f"PATCH {API}/patients/{{patient_id}}"),
        ("measurement deleted", f"DELETE {API}/measurements/{{measurement_id}}"),
    ],
)
def test_a_change_is_in_the_trail_when_its_process_is_killed_before_it_answers(
    point: str, name: str, store: DBManager, tmp_path: Path
) -> None:
    method, _, path = name.partition(" ")
    request = CHANGES[name](store)
    store.users.add("root", "default", [Role.ADMIN])
    token = store.tokens.add("root", timedelta(hours=1))
    before = contents(store)
    web = Web(store, tmp_path, "tests.fr_hub.web.uploads.killed_at", KILLED_AT=point)
    try:
        address = f"http://127.0.0.1:{web.port}{request.pop('path', path)}"
        headers = {"Authorization": f"Bearer {token}"} | request.pop("headers", {})
        with pytest.raises(httpx2.TransportError):
            httpx2.request(method, address, headers=headers, timeout=30, **request)
        assert web.process.wait(10) == -9
    finally:
        stop(web.process)
    assert contents(store) != before
    found = [
        event
        for entry in inside(store, Collection.AUDIT).find()
        for event in entry["events"]
        if event.get("route") == name
    ]
    assert [(one["outcome"], one["by"]) for one in found] == [(ASKED_FOR, "root")]
