"""Analyzers and causes of failures, of one tenant alone."""

from typing import Any

from common.domain.user import Role
from common.store.db_manager import DBManager
from tests.factories import make_failed, make_reports
from tests.fr_hub.web.conftest import NORTH, ClientOf

API = "/api/v1"


def test_analyzers_are_listed_with_their_scans(store: DBManager, client_of: ClientOf) -> None:
    old, *others = make_reports(store, 3)
    change = {"$set": {"report.analyzer.version": "0", "created_at": old.analysed_at.replace(2020)}}
    store.connection.reports.update_one({"_id": old.key}, change)
    client, north = client_of(Role.READER), client_of(Role.READER, tenant=NORTH)
    [one] = client.get(f"{API}/analyzers").json()["items"]
    assert (one["name"], one["version"], one["scans"]) == ("grid", "1", 2)
    assert [(each["version"], each["scans"]) for each in one["older"]] == [("0", 1)]
    path = f"{API}/analyzers/grid/scans"
    first = client.get(path, params={"version": "1", "limit": "1"}).json()
    second = client.get(path, params={"version": "1", "after": first["next"]}).json()
    keys = {each["key"] for each in (*first["items"], *second["items"])}
    assert keys == {report.key for report in others}
    assert second["next"] is None
    assert client.get(path, params={"version": "1", "after": "WzFd"}).status_code == 422
    nothing: dict[str, Any] = {"items": [], "next": None, "total": 0, "installed": []}
    assert north.get(f"{API}/analyzers").json() == nothing
    assert north.get(path, params={"version": "1"}).json()["items"] == []


def test_failures_are_listed_by_cause(store: DBManager, client_of: ClientOf) -> None:
    failed = make_failed(store, 2, cause="too dark")
    found = client_of(Role.READER).get(f"{API}/failures").json()
    [one] = found["items"]
    assert (one["cause"], one["count"], found["complete"]) == ("too dark", 2, True)
    assert sorted(one["example_ids"]) == sorted(failed)
    assert client_of(Role.READER, tenant=NORTH).get(f"{API}/failures").json()["items"] == []
