"""An erased scan answers alike on every route that would answer with a part of it."""

import pytest
from fastapi.testclient import TestClient

from common.domain.states import PURGED
from common.domain.user import Role
from common.store.db_manager import DBManager
from fr_hub.web.absences import gone
from fr_hub.web.app import API, ROUTERS
from fr_hub.web.route_table import KnownRoute, RouteTable
from tests.factories import edit, make_reports
from tests.fr_hub.web.conftest import NORTH, ClientOf

_STATE_ROUTES = {f"GET {API}/scans/{{key}}", f"GET {API}/ecgs/{{ecg_id}}"}
"""They answer with the state."""

TABLE = RouteTable([(API, router) for router in ROUTERS])
PARTS = [
    route
    for route in TABLE.routes
    if route.method == "GET"
    and ("{key}" in route.template or "{ecg_id}" in route.template)
    and route.name not in _STATE_ROUTES
]
QUERIES = {f"{API}/scans/{{key}}/changes": {"from": 1, "to": 2}}


def address(route: KnownRoute, key: str) -> str:
    replaced = {"{key}": key, "{ecg_id}": key, "{map_name}": "lesions"}
    path = route.template
    for name, value in replaced.items():
        path = path.replace(name, value)
    return path


def sent_ecg(client: TestClient) -> str:
    leads = {"leads": [{"name": "I", "signal": [0, 1, 0, -1]}]}
    sent: str = client.post(f"{API}/ecgs", json=leads).json()["id"]
    return sent


@pytest.mark.sample(1000)
@pytest.mark.parametrize("route", PARTS, ids=lambda one: one.template)
def test_parts_of_an_erased_scan_are_gone(
    route: KnownRoute, client_of: ClientOf, store: DBManager
) -> None:
    if "{ecg_id}" in route.template:
        client = client_of(Role.SUBMITTER)
        key, unknown = sent_ecg(client), "ab" * 16
        assert client.delete(f"{API}/ecgs/{key}").status_code == 204
    else:
        client = client_of(Role.READER, tenant=NORTH)
        (report,) = make_reports(store, 1, pacs="mr-1")
        key, unknown = report.key, "unknown@mr-1"
        store.erasure.erase([key])
    query = QUERIES.get(route.template, {})
    answer = client.get(address(route, key), params=query)
    assert (answer.status_code, answer.json()["code"]) == (410, "erased")
    assert "erased" in answer.json()["detail"]
    assert client.get(address(route, unknown), params=query).status_code == 404
    stranger = client_of(Role.READER, Role.SUBMITTER)  # of another tenant
    assert stranger.get(address(route, key), params=query).status_code == 404
    operation = client.get(f"{API}/openapi.json").json()["paths"][route.template]["get"]
    assert "410" in operation["responses"]


def test_what_retention_removed_is_gone_too(client_of: ClientOf, store: DBManager) -> None:
    client = client_of(Role.READER)
    (report,) = make_reports(store, 1)
    store.erasure.erase([report.key])
    edit(store, report.key, report_generated=PURGED)
    answer = client.get(f"{API}/scans/{report.key}/report")
    assert (answer.status_code, answer.json()["code"]) == (410, "purged")


def test_a_scan_that_is_there_is_not_gone() -> None:
    assert gone("waiting", "scan") is None
