"""One view of a recording is one event, and no read is without one."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web import views
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from fr_hub.web.routes.ecgs import SEED_ECG
from fr_hub.web.views import VIEW_S, Views
from tests.factories import make_ecg, make_scan
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.test_every_route import events


def test_an_event_stands_for_the_requests_of_ten_minutes() -> None:
    now = 0.0
    found = Views(lambda: now)
    assert found.covering("ada, a scan", "1") == "1"
    now = VIEW_S - 1
    assert found.covering("ada, a scan", "2") == "1"
    assert found.covering("eve, a scan", "3") == "3"
    now = VIEW_S  # counted from the event, not from the last request
    assert found.covering("ada, a scan", "4") == "4"
    assert found.covering("ada, a scan", "5") == "4"


def test_a_forgotten_view_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_VIEWS_MAX", 1)
    found = Views()
    assert [found.covering(view, view) for view in ("a", "b", "a")] == ["a", "b", "a"]


def samples_events(context: WebContext) -> list[dict[str, object]]:
    return [one for one in events(context) if str(one["route"]).endswith("/samples")]


def test_a_view_of_an_ecg_is_one_event_for_each_user(
    client_of: ClientOf, store: DBManager, context: WebContext
) -> None:
    recordings = (np.full((40, 1), value, np.float32) for value in (1, 2))
    ecgs = [make_ecg(samples, pacs="pacs-1") for samples in recordings]
    store.scans.add([NewScan(scan, voxels) for scan, voxels in ecgs])
    first, second = (scan.key for scan, _ in ecgs)
    ada, eve = client_of(Role.READER), client_of(Role.READER)
    answers = [
        client.get(f"{API}/scans/{key}/samples", params={"first": place, "columns": 4})
        for client in (ada, eve)
        for key in (first, second)
        for place in range(5)
    ]
    assert {answer.status_code for answer in answers} == {200}
    found = samples_events(context)
    assert [one["ids"] for one in found] == [[first], [second]] * 2
    assert len({one["by"] for one in found}) == 2
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    # The answer to each piece names the event that stands for it.
    assert ids == [one["request"] for one in found for _ in range(5)]


def test_what_is_refused_is_an_event_each(
    client_of: ClientOf, store: DBManager, context: WebContext
) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    client = client_of(Role.READER)
    for _ in range(3):
        assert client.get(f"{API}/scans/{scan.key}/samples").status_code == 422
        assert client.get(f"{API}/scans/absent@pacs-1/samples").status_code == 404
    assert len(samples_events(context)) == 6


def test_an_ecg_of_an_account_and_parts_of_a_file(
    client_of: ClientOf, store: DBManager, context: WebContext
) -> None:
    jane = client_of(Role.SUBMITTER)
    ecg = jane.post(f"{API}/ecgs", json=SEED_ECG).json()["id"]
    for place in range(4):
        address = f"{API}/ecgs/{ecg}/samples"
        assert jane.get(address, params={"first": place}).status_code == 200
    assert len(samples_events(context)) == 1
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    reader = client_of(Role.READER)
    ranges = ["bytes=0-9", "bytes=10-19", None, None]
    statuses = [
        reader.get(
            f"{API}/scans/{scan.key}/voxels.nii", headers={} if one is None else {"Range": one}
        ).status_code
        for one in ranges
    ]
    assert statuses == [206, 206, 200, 200]
    exports = [one["status"] for one in events(context) if one["kind"] == "export"]
    assert exports == [206, 200, 200]  # each whole file is a separate export


def test_other_routes_are_an_event_for_each_request(
    client_of: ClientOf, store: DBManager, context: WebContext
) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    client: TestClient = client_of(Role.READER)
    for _ in range(3):
        client.get(f"{API}/scans/{scan.key}")
    assert len(list(events(context))) == 3
