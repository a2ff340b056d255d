"""Lists of scans, counts, and one scan."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web.context import WebContext
from tests.factories import make_claimable, make_failed, make_reports, make_scan
from tests.fr_hub.web.conftest import NORTH, ClientOf

SCANS = "/api/v1/scans"


@pytest.fixture
def reader(client_of: ClientOf) -> TestClient:
    return client_of(Role.READER)


def counted(client: TestClient, **query: Any) -> dict[str, Any]:
    """The counts, without the zeros."""
    counts: dict[str, Any] = client.get(f"{SCANS}/counts", params=query).json()
    for name in ("states", "priorities"):
        counts[name] = {one: number for one, number in counts[name].items() if number}
    return counts


def test_a_tenant_sees_its_own_scans_alone(store: DBManager, client_of: ClientOf) -> None:
    here, _ = make_scan(pacs="pacs-1")
    there, voxels = make_scan(pacs="mr-1")
    store.scans.add([NewScan(here, voxels), NewScan(there, voxels)])
    for tenant, mine, other in (("default", here, there), (NORTH, there, here)):
        client = client_of(Role.READER, tenant=tenant)
        page = client.get(SCANS).json()
        assert [one["key"] for one in page["items"]] == [mine.key]
        assert counted(client)["states"] == {"waiting": 1}
        assert client.get(f"{SCANS}/{mine.key}").status_code == 200
        foreign, absent = (client.get(f"{SCANS}/{key}") for key in (other.key, f"x{other.key}"))
        assert foreign.status_code == absent.status_code == 404
        assert foreign.content == absent.content


def test_pages_follow_each_other_by_cursors(store: DBManager, reader: TestClient) -> None:
    made = [scan.key for scan in make_claimable(store, 5, subject="sub-1")]
    for query in ({}, {"text": "sub-"}, {"subject": "sub-1", "verdict": "pass"}):
        found: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = reader.get(SCANS, params={"limit": "2", **query, **after}).json()
            found += [one["key"] for one in page["items"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert found == ([] if "verdict" in query else made[::-1])
    other = reader.get(SCANS, params={"limit": "2", "text": "sub-"}).json()["next"]
    assert reader.get(SCANS, params={"after": other}).status_code == 422
    assert reader.get(SCANS, params={"after": "no"}).json()["code"] == "invalid_cursor"


INVALID: tuple[dict[str, str], ...] = (
    {"state": "To Do"},
    {"pacs": "a b"},
    {"subject": "x" * 65},
    {"analyzer": "x" * 98},
    {"verdict": "good"},
    {"since": "2026-01-01T00:00:00"},
    {"until": "now"},
    {"text": "a*"},
    {"limit": "501"},
    {"after": "x" * 601},
)


def test_a_filter_that_is_not_valid_is_refused(reader: TestClient) -> None:
    for query in INVALID:
        for path in (SCANS, f"{SCANS}/counts"):
            if not query.keys() & {"limit", "after"} or path == SCANS:
                answer = reader.get(path, params=query)
                assert answer.status_code == 422, query
                assert answer.json()["errors"][0]["field"].partition(".")[0] in query


def test_filters_and_counts_agree(store: DBManager, reader: TestClient) -> None:
    [failed] = make_failed(store, 1)
    [report] = make_reports(store, 1)
    [waiting] = make_claimable(store, 1, subject="sub-1", priority="urgent")

    def keys(**query: Any) -> set[str]:
        page = reader.get(SCANS, params=query).json()
        counts = counted(reader, **query)
        assert sum(counts["states"].values()) == len(page["items"])
        assert counts["complete"]
        assert counts["priorities"] == {"urgent": 1}
        assert counts["oldest_waiting_at"] == "2001-01-01T00:00:00Z"
        return {one["key"] for one in page["items"]}

    assert keys() == {failed, report.key, waiting.key}
    assert keys(state=["failed", "waiting"]) == {failed, waiting.key}
    assert keys(pacs="pacs-2") == set()
    assert keys(subject="sub-1") == {waiting.key}
    assert keys(analyzer="grid 1") == keys(verdict="pass") == {report.key}
    assert keys(since="2001-01-01T00:00:00Z", until="2001-01-02T01:00:00+01:00") == keys()
    assert keys(until="2000-12-31T23:59:59Z") == set()
    assert keys(text=failed[:20]) == {failed}


def test_a_scan_is_shown_with_its_history_and_an_etag(
    context: WebContext, store: DBManager, reader: TestClient
) -> None:
    recorded = store.recorded_by(context.audit)
    scan, voxels = make_scan(subject="sub-1", problems=["noisy"], modality="MR")
    recorded.scans.add([NewScan(scan, voxels)])
    [claim] = recorded.claims.claim("worker-1", 1, 60)
    context.audit.wait_durable()
    first = reader.get(f"{SCANS}/{scan.key}")
    shown = first.json()
    assert (shown["state"], shown["owner"], shown["attempts"]) == ("analysing", "worker-1", 1)
    assert (shown["shape"], shown["problems"]) == ([10, 10], ["noisy"])
    assert [(one["kind"], one["outcome"]) for one in shown["history"]] == [
        ("receive", "stored"),
        ("claim", None),
    ]
    known = {"If-None-Match": first.headers["etag"]}
    assert reader.get(f"{SCANS}/{scan.key}", headers=known).status_code == 304
    recorded.claims.fail(claim, "no brain in it", 0)
    again = reader.get(f"{SCANS}/{scan.key}", headers=known)
    assert again.status_code == 200
    assert (again.json()["state"], again.json()["cause"]) == ("failed", "no brain in it")
    assert again.json()["owner"] is None
