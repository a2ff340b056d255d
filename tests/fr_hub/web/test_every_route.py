"""Every registered route, by role and by tenant: nobody gets in without the right, what is another
tenant's answers as what does not exist, and each request is one event of the audit trail."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from common.audit.writer import AuditWriter
from common.domain.account import account_of, account_scan_id, ecg_id_of
from common.domain.audit_events import Kind
from common.domain.measurement import MeasurementKind, NewMeasurement
from common.domain.patient import NewPatient
from common.domain.tenant import ecgs_source
from common.domain.types import utc_now
from common.domain.user import RIGHTS, Role
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.token_documents import token_id
from fr_hub.web.app import API, OTHERS, ROUTERS
from fr_hub.web.context import WebContext
from fr_hub.web.route_table import KnownRoute, RouteTable
from tests.factories import make_ecg, make_scan
from tests.fr_hub.web.conftest import NORTH, ClientOf
from tests.profiling import examined

Plant = Callable[[DBManager], str]


pytestmark = pytest.mark.sample(1000)  # all


def _scan(store: DBManager) -> str:
    scan, voxels = make_scan(pacs="mr-1")
    store.scans.add([NewScan(scan, voxels)])
    return scan.key


def _user(store: DBManager) -> str:
    store.users.add("eve", NORTH, [Role.READER])
    return "eve"


def _token(store: DBManager) -> str:
    _user(store)
    return token_id(store.tokens.add("eve", timedelta(hours=1)))


def _patient(store: DBManager) -> str:
    store.patients.add(NORTH, "patient-1", NewPatient(name="Eve"))
    return "patient-1"


def _measurement(store: DBManager) -> str:
    new = NewMeasurement(kind=MeasurementKind.WEIGHT, value=70, unit="kg", taken_at=utc_now())
    store.measurements.add(NORTH, _patient(store), "measurement-1", new)
    return "measurement-1"


def _ecg(store: DBManager) -> str:
    account = account_of("eve", utc_now())
    samples = np.ones((4, 1), np.float32)
    scan_id = account_scan_id(account, "ab" * 16)
    scan, voxels = make_ecg(samples, scan_id=scan_id, pacs=ecgs_source(NORTH))
    store.scans.add([NewScan(scan, voxels)])
    return ecg_id_of(scan.key)


FOREIGN: dict[str, tuple[Plant, str]] = {
    "key": (_scan, "scan-absent@mr-1"),
    "user": (_user, "absent"),
    "token_id": (_token, "0" * 16),
    "patient_id": (_patient, "patient-2"),
    "measurement_id": (_measurement, "measurement-2"),
    "ecg_id": (_ecg, "cd" * 16),
}
"""Parameters of paths: how to make a thing of the tenant 'north', and the id of an absent one. A
route with another parameter must be added here."""

SHARED: dict[str, str] = {"name": "absent", "upload_id": "absent", "map_name": "lesions"}
"""Parameters of things that are not a tenant's in the store, each with the id of an absent one: all
tenants share analyzers and names of label maps; uploads have tests of their own."""

WEIGHT = {"kind": "weight", "value": 70, "unit": "kg", "taken_at": "2026-01-02T03:04:05Z"}

BODIES: dict[str, Any] = {
    "PATCH /api/v1/users/{user}": {"roles": ["reader"]},
    "PATCH /api/v1/patients/{patient_id}": {"name": "Eve"},
    "POST /api/v1/patients/{patient_id}/measurements": WEIGHT,
    "POST /api/v1/patient/{patient_id}/measurements": WEIGHT,
}
"""Bodies that are valid, of routes that take one and have a parameter."""

QUERIES = {
    "GET /api/v1/scans/{key}/changes": {"from": "1", "to": "2"},
    "GET /api/v1/patients/{patient_id}/trend": {"code": "29463-7"},
}
"""Queries of routes that need one."""

HEADERS = {"PATCH /api/v1/patients/{patient_id}": {"If-Match": '"1"'}}

TABLE = RouteTable((*(("", one) for one in OTHERS), *((API, one) for one in ROUTERS)))
ROUTES = [one for one in TABLE.routes if not one.is_live]
LIVE = [one for one in TABLE.routes if one.is_live and one.method != "WEBSOCKET"]
"""Answered with a stream: see ``tests/fr_hub/web/routes/test_events.py``."""
GUARDED = [one for one in ROUTES if one.access != "anyone"]
OF_THINGS = [one for one in GUARDED if one.parameters(one.template).keys() - SHARED.keys()]


def parameters(routes: list[KnownRoute]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda one: one.name)


def call(client: TestClient, route: KnownRoute, **ids: str) -> httpx2.Response:
    """Call a route, with ids of things that do not exist but for the given ones."""
    given = SHARED | {name: absent for name, (_, absent) in FOREIGN.items()} | ids
    path = route.template.format(**given)
    return client.request(
        route.method,
        path,
        params=QUERIES.get(route.name),
        json=BODIES.get(route.name),
        headers=HEADERS.get(route.name),
    )


def code_of(answer: httpx2.Response) -> str:
    """The code of a problem; empty if it is none. An answer to HEAD has no body."""
    if answer.request.method == "HEAD":
        return {401: "unauthenticated", 403: "forbidden"}.get(answer.status_code, "")
    is_problem = "problem" in answer.headers.get("content-type", "")
    return str(answer.json()["code"]) if is_problem else ""


def events(context: WebContext) -> Iterator[dict[str, Any]]:
    """The events of requests, from the trail."""
    assert isinstance(context.audit, AuditWriter)
    context.audit.wait_durable()
    for entry in context.store.audit_log.entries(context.audit.writer, -1, 10_000):
        yield from (one for one in entry["events"] if "route" in one or one["kind"] == "refuse")


@parameters([*GUARDED, *LIVE])
def test_a_stranger_is_refused(stranger: TestClient, route: KnownRoute) -> None:
    for headers in ({}, {"Authorization": "Bearer no"}, {"Cookie": "fr-session=no"}):
        stranger.headers.update(headers)
        answer = call(stranger, route)
        assert answer.status_code == 401, answer.text
        assert code_of(answer) == "unauthenticated"


def test_each_role_gets_to_the_routes_of_its_rights_and_no_others(client_of: ClientOf) -> None:
    for role in Role:
        client = client_of(role)
        for route in GUARDED:
            if route.name == f"DELETE {API}/session":
                continue
            answer = call(client, route)
            code = code_of(answer)
            is_allowed = route.right is None or route.right in RIGHTS[role]
            assert (code == "forbidden") is not is_allowed, (role, route.name, code)
            assert code != "unauthenticated", (role, route.name)


@parameters(OF_THINGS)
def test_what_is_another_tenants_answers_as_what_does_not_exist(
    client_of: ClientOf, store: DBManager, route: KnownRoute
) -> None:
    client = client_of(*Role)
    collections = [one for one in Collection if not one.startswith("brain_audit")]
    for parameter in route.parameters(route.template).keys() - SHARED.keys():
        plant, absent = FOREIGN[parameter]
        foreign = plant(store)
        answers, queries = [], []
        for name in (foreign, absent):
            with examined(store, *collections) as read:
                answers.append(call(client, route, **{parameter: name}))
            queries.append(read.commands)
        assert answers[0].status_code == answers[1].status_code == 404, answers[0].text
        assert answers[0].json() == answers[1].json()
        assert queries[0] == queries[1]


def test_each_request_is_one_event_with_the_route_and_never_the_path(
    client_of: ClientOf, context: WebContext
) -> None:
    client = client_of(*Role)
    for route in (one for one in ROUTES if one.access != "anyone" or one.kind is None):
        before = len(list(events(context)))
        answer = call(client, route)
        new = list(events(context))[before:]
        if route.kind is None:
            assert not [one for one in new if one["kind"] != Kind.REFUSE], route.name
            continue
        (one,) = new
        assert (one["route"], one["kind"]) == (route.name, route.kind)
        assert one["status"] == answer.status_code
        assert one["request"] == answer.headers["x-request-id"]
        assert "absent" not in str(one)


def test_refusals_are_events_too(
    client_of: ClientOf, stranger: TestClient, context: WebContext
) -> None:
    reader = client_of(Role.READER)
    assert reader.get(f"{API}/audit").status_code == 403
    (one,) = events(context)
    assert (one["kind"], one["route"], one["status"]) == ("refuse", f"GET {API}/audit", 403)
    assert one["by"].startswith("user-")
    for _ in range(20):
        assert stranger.get(f"{API}/audit").status_code == 401
    _, first = events(context)  # the others are counted, and written later
    assert (first["kind"], first["outcome"]) == ("refuse", "unauthorized")
