"""The system: its units, queue, throughput and storage."""

import platform

from common.domain.scan import Priority
from common.domain.user import Role
from common.store.db_manager import DBManager
from tests.factories import make_claimable, make_reports
from tests.fr_hub.web.conftest import NORTH, ClientOf


def test_the_system_is_shown(store: DBManager, client_of: ClientOf) -> None:
    store.units.begin("fr-hub")
    store.units.note_pacs(["pacs-1", "mr-1"])
    make_reports(store, 2)
    make_claimable(store, 1, priority=Priority.URGENT)
    make_claimable(store, 1, pacs="mr-1")
    found = client_of(Role.READER).get("/api/v1/system").json()
    assert {(one["unit"], one["name"], one["state"]) for one in found["units"]} == {
        ("fr-hub", None, "running"),
        ("fr-pacs", "pacs-1", "connected"),
    }
    (hub,) = (one for one in found["units"] if one["unit"] == "fr-hub")
    assert None not in (hub["version"], hub["started_at"])
    assert found["queue"]["states"] == {"waiting": 1, "done": 2}
    assert found["queue"]["priorities"]["urgent"] == 1
    assert found["queue"]["pacs"] == {"pacs-1": 1}
    assert found["queue"]["oldest_waiting_at"]
    last = found["throughput"][0]
    assert (last["minutes"], last["received"], last["done"], last["failed"]) == (1, 3, 2, 0)
    assert last["latency_p50_s"] <= last["latency_p95_s"] < 60
    assert found["disk"]["free_bytes"] > 0
    assert found["durability"]["acknowledged"] == "majority, journaled"
    assert found["durability"]["description"]


def test_hosts_are_for_those_who_operate_the_units(store: DBManager, client_of: ClientOf) -> None:
    store.units.begin("fr-hub")
    host = platform.node()
    [seen] = client_of(Role.OPERATOR).get("/api/v1/system").json()["units"]
    assert seen["host"] == host
    assert host in seen["id"]
    read = client_of(Role.READER).get("/api/v1/system")
    [hidden] = read.json()["units"]
    assert hidden["host"] is None
    assert seen["id"].endswith(f"-{hidden['id']}")
    assert host not in read.text


def test_another_tenant_sees_its_own_queue(store: DBManager, client_of: ClientOf) -> None:
    store.units.note_pacs(["pacs-1", "mr-1"])
    make_reports(store, 1)
    found = client_of(Role.READER, tenant=NORTH).get("/api/v1/system").json()
    assert [one["name"] for one in found["units"]] == ["mr-1"]
    assert found["queue"]["states"] == {}
    assert found["throughput"][0]["done"] == 0
