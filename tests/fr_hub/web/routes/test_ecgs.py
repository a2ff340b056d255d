"""ECGs of users' accounts: sent in any format, seen by their user alone; failed ones."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from common.audit.writer import AuditWriter
from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.ecg_measures import EcgMeasures, Measured
from common.domain.findings import AnyQuality, Verdict
from common.domain.types import DEFAULT_TENANT
from common.domain.user import Role
from common.store.db_manager import DBManager
from fr_hub.web import gate
from fr_hub.web.context import WebContext
from fr_hub.web.routes.ecgs import ADDRESS, SEED_ECG
from fr_hub.web.uploads.delivery import deliver
from tests.common.domain.test_ecg_measures import measures
from tests.common.formats.ecg.edf_files import signal, write_edf
from tests.common.formats.ecg.wfdb_files import write_record
from tests.factories import make_report
from tests.fr_hub.web.conftest import NORTH, ClientOf
from tests.fr_hub.web.routes.test_uploads import files_under, nifti

VALUES = np.array([[0, 100], [200, -100], [-50, 7]])
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def jane(client_of: ClientOf) -> TestClient:
    return client_of(Role.SUBMITTER)


def files_of(folder: Path) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (path.name, path.read_bytes())) for path in sorted(folder.iterdir())]


def report(store: DBManager, crossings: int = 2, measures: EcgMeasures | None = None) -> None:
    """Analyse what waits."""
    findings = EcgFindings(
        quality=AnyQuality(verdict=Verdict.PASS),
        crossings=(LeadCrossings(lead="I", zero_crossings=crossings),),
        measures=measures,
    )
    claims = store.claims.claim("worker", 10, 60)
    store.claims.complete([(one, make_report(one.scan, findings=findings)) for one in claims])


def test_an_ecg_comes_in_any_format_and_is_stored_once(
    jane: TestClient, store: DBManager, context: WebContext, tmp_path: Path
) -> None:
    record, edf = tmp_path / "record", tmp_path / "edf"
    record.mkdir()
    edf.mkdir()
    write_record(record, "100", VALUES)
    write_edf(edf / "a.edf", [signal("EKG I", [[0, 1000, -1000]])])
    found: list[dict[str, Any]] = []
    for folder in (record, edf):
        answer = jane.post(ADDRESS, files=files_of(folder))
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"{ADDRESS}/{answer.json()['id']}"
        found.append(jane.get(answer.headers["location"]).json())
    assert [one["leads"] for one in found] == [["V1", "V2"], ["I"]]
    assert [(one["state"], one["samples"]) for one in found] == [("waiting", 3)] * 2
    again = jane.post(ADDRESS, files=files_of(record)).json()
    assert (again["id"], again["files"][1]["outcome"]) == (found[0]["id"], "known")
    assert store.queries.count_states()["To Do"] == 2
    assert files_under(context) == []


def sent(client: TestClient, *signal: float) -> str:
    """Send an ECG of one lead; its id."""
    answer = client.post(ADDRESS, json={"leads": [{"name": "I", "signal": signal}]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_the_list_has_the_newest_first_whatever_comes_meanwhile(jane: TestClient) -> None:
    ids = [sent(jane, 0, n + 1) for n in range(5)]
    first = jane.get(ADDRESS, params={"limit": 2}).json()
    ids.append(sent(jane, 0, 9))
    found = [one["id"] for one in first["items"]]
    after = first["next"]
    while after:
        page = jane.get(ADDRESS, params={"limit": 2, "after": after}).json()
        found += [one["id"] for one in page["items"]]
        after = page["next"]
    assert found == ids[4::-1]
    assert [one["id"] for one in jane.get(ADDRESS).json()["items"]] == ids[::-1]
    answer = jane.get(ADDRESS, params={"after": "WzAsImEiXQ"})  # the place of a list by names
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


def test_the_list_tells_verdict_and_rate(jane: TestClient, store: DBManager) -> None:
    ecg_id = sent(jane, 0, 1)
    [before] = jane.get(ADDRESS).json()["items"]
    assert (before["state"], before["verdict"], before["heart_rate_bpm"]) == ("waiting", None, None)
    rate = Measured(value=62.5, confidence=0.9)
    report(store, measures=measures(verdict="pass", reasons=(), heart_rate_bpm=rate))
    [after] = jane.get(ADDRESS).json()["items"]
    assert (after["id"], after["state"]) == (ecg_id, "done")
    assert (after["verdict"], after["heart_rate_bpm"]) == ("pass", 62.5)


def test_a_user_erases_an_ecg_of_their_own_and_no_other(
    jane: TestClient, client_of: ClientOf, store: DBManager, context: WebContext
) -> None:
    gone, kept = sent(jane, 0, 1), sent(jane, 0, 2)
    report(store)
    address = f"{ADDRESS}/{gone}"
    for client, status in ((client_of(*Role), 404), (client_of(Role.OPERATOR), 403)):
        assert client.delete(address).status_code == status
    assert jane.get(address).json()["state"] == "done"
    for _ in range(2):  # the answer to the first one may be lost
        answer = jane.delete(address)
        assert (answer.status_code, answer.content) == (204, b"")
    assert jane.get(address).json()["state"] == "erased"
    for path in ("/insights", "/samples"):
        assert jane.get(address + path).status_code == 410
    assert [one["id"] for one in jane.get(ADDRESS).json()["items"]] == [kept]
    again = jane.post(ADDRESS, json={"leads": [{"name": "I", "signal": [0, 1]}]})
    assert (again.status_code, "erased" in again.json()["detail"]) == (422, True)
    assert jane.delete(f"{ADDRESS}/{'ab' * 16}").status_code == 404
    [key] = [key for key, state in store.queries.scan_states() if state == "Erased"]
    assert isinstance(context.audit, AuditWriter)
    context.audit.wait_durable()
    entries = store.audit_log.entries(context.audit.writer, -1, 10_000)
    every = [event for entry in entries for event in entry["events"]]
    events = [one for one in every if key in one.get("ids", [])]
    user = next(one["by"] for one in events if one.get("status") == 204)
    told = [(one["outcome"], one.get("by")) for one in events if one["kind"] == "erase"]
    assert told == [("asked for", user), ("erased", None)]
    assert [one["kind"] for one in events if one.get("status") == 204] == ["delete", "delete"]


def test_nobody_else_sees_it_whatever_their_rights(
    jane: TestClient, client_of: ClientOf, store: DBManager, context: WebContext
) -> None:
    sent = jane.post(ADDRESS, json=SEED_ECG).json()
    [(stored, _)] = store.queries.scan_states()
    for client in (client_of(*Role), client_of(*Role, tenant=NORTH)):
        for path in ("", "/insights", "/samples"):
            assert client.get(f"{ADDRESS}/{sent['id']}{path}").status_code == 404
        assert client.get(ADDRESS).json()["items"] == []
        assert client.get("/api/v1/scans").json()["items"] == []
        assert client.get(f"/api/v1/scans/{stored}").status_code == 404
        assert client.get("/api/v1/scans/counts").json()["pacs"] == {}
    admin = client_of(Role.ADMIN)
    assert admin.get(f"{ADDRESS}/{sent['id']}").status_code == 403
    assert admin.post(ADDRESS, json=SEED_ECG).status_code == 403
    assert jane.get("/api/v1/scans").status_code == 403
    assert isinstance(context.audit, AuditWriter)
    context.audit.wait_durable()
    assert jane.get(f"{ADDRESS}/{sent['id']}").status_code == 200


def test_insights_come_with_the_report_and_a_failure_with_its_cause(
    jane: TestClient, store: DBManager
) -> None:
    address = f"{ADDRESS}/{jane.post(ADDRESS, json=SEED_ECG).json()['id']}/insights"
    waiting = jane.get(address)
    assert (waiting.status_code, waiting.json()["state"]) == (202, "waiting")
    assert waiting.headers["retry-after"] == "1"
    assert jane.get(address, params={"wait": 0.1}).status_code == 202
    report(store)
    answer = jane.get(address).json()
    assert answer["leads"] == [{"name": "I", "zero_crossings": 2}]
    assert (answer["analyzer"]["name"], answer["revision"]) == ("grid", 1)
    assert deliver(store, "web-_default") == 1  # type: ignore[arg-type]
    lead = {"name": "II", "signal": [1, -1]}
    failing = jane.post(ADDRESS, json={"leads": [lead]}).json()["id"]
    [claim] = store.claims.claim("worker", 10, 60)
    store.claims.fail(claim, "too short", 0)
    failed = jane.get(f"{ADDRESS}/{failing}/insights", params={"wait": 30})
    assert (failed.status_code, failed.json()["code"]) == (409, "analysis_failed")
    assert "too short" in failed.json()["detail"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"{", "JSON"),
        (b'{"leads": []}', "leads"),
        (b'{"leads": [{"name": "I", "signal": [1, 1, 1]}]}', "flat"),
        (b'{"leads": [{"name": "I", "signal": [1, 2], "number_of_samples": 3}]}', "2 samples"),
    ],
)
def test_what_is_no_ecg_is_refused_with_the_reason(
    jane: TestClient, store: DBManager, given: bytes, says: str
) -> None:
    answer = jane.post(ADDRESS, content=given, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert says in answer.json()["detail"]
    assert store.queries.count_states()["To Do"] == 0


def test_images_and_other_bodies_are_refused(
    jane: TestClient, store: DBManager, tmp_path: Path
) -> None:
    image = jane.post(ADDRESS, files=[("file", ("a.nii.gz", nifti(tmp_path)))])
    assert image.status_code == 422
    assert "/api/v1/scans" in image.json()["detail"]
    text = jane.post(ADDRESS, content=b"1,2,3", headers={"Content-Type": "text/csv"})
    assert text.status_code == 415
    assert jane.post(ADDRESS, files=[("x", (None, "no file"))]).status_code == 400
    assert jane.get(f"{ADDRESS}/NOT-AN-ID").status_code == 422
    assert store.queries.count_states()["To Do"] == 0


def test_nobody_waits_for_a_client_that_is_gone(jane: TestClient, app: FastAPI) -> None:
    path = f"{ADDRESS}/{sent(jane, 0, 1)}/insights"
    answered: list[Any] = []

    async def ask() -> None:
        left = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            return left.pop() if left else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            answered.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"wait=300",
            "headers": [(b"authorization", jane.headers["Authorization"].encode())],
            "client": ("127.0.0.1", 1),
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "http_version": "1.1",
        }
        await app(scope, receive, send)

    asyncio.run(asyncio.wait_for(ask(), 60))
    assert answered == []


@pytest.mark.parametrize("lost", ["token", "right"])
def test_who_loses_access_while_waiting_gets_no_answer(
    jane: TestClient,
    store: DBManager,
    context: WebContext,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    monkeypatch.setattr(gate, "WAITED_S", 0.0)
    path = f"{ADDRESS}/{sent(jane, 0, 1)}/insights"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(jane.get, path, params={"wait": 60})
        time.sleep(1)
        [user] = context.store.users.of_tenant(DEFAULT_TENANT)
        if lost == "token":
            [token] = context.store.tokens.of_user(user.name)
            assert context.store.tokens.remove(token.id)
        else:
            context.store.users.change(user.name, roles=[Role.READER])
        report(store)
        found = answer.result(60)
    assert found.status_code == (401 if lost == "token" else 403), found.text
    assert "zero_crossings" not in found.text
