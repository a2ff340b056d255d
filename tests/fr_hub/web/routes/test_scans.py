"""Lists of scans, counts, and one scan."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.findings import AnyQuality, Verdict
from common.domain.patient import NewPatient
from common.domain.types import DEFAULT_TENANT
from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web.context import WebContext
from tests.factories import (
    edit,
    make_claimable,
    make_ecg,
    make_failed,
    make_report,
    make_reports,
    make_scan,
)
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


def test_an_ecg_has_its_signal_and_no_lesions(store: DBManager, reader: TestClient) -> None:
    image, voxels = make_scan()
    ecg, samples = make_ecg(np.ones((8, 2), np.float32), leads=("I", "II"), hz=500)
    store.scans.add([NewScan(image, voxels), NewScan(ecg, samples)])
    [claim] = [one for one in store.claims.claim("w", 2, 60) if one.scan.kind == "signal"]
    crossings = (LeadCrossings(lead="I", zero_crossings=2),)
    findings = EcgFindings(quality=AnyQuality(verdict=Verdict.PASS), crossings=crossings)
    store.claims.complete([(claim, make_report(claim.scan, findings=findings))])
    found = {one["key"]: one for one in reader.get(SCANS).json()["items"]}
    of_image, of_ecg = found[image.key], found[ecg.key]
    assert (of_image["kind"], of_image["signal"]) == ("image", None)
    assert (of_ecg["kind"], of_ecg["shape"], of_ecg["voxel_size_mm"]) == ("signal", [8, 2], None)
    assert of_ecg["signal"] == {
        "sampling_rate_hz": 500,
        "leads": ["I", "II"],
        "units": "mV",
        "lead_units": None,
        "gains": None,
        "filters": [],
    }
    assert (of_ecg["lesions"], of_ecg["lesion_volume_ml"], of_ecg["verdict"]) == (
        None,
        None,
        "pass",
    )
    assert reader.get(f"{SCANS}/{ecg.key}").json()["signal"] == of_ecg["signal"]
    report = reader.get(f"{SCANS}/{ecg.key}/report").json()
    assert report["findings"]["crossings"] == [{"lead": "I", "zero_crossings": 2}]
    assert reader.get(f"{SCANS}/{ecg.key}/report.txt").text.startswith("ECG report")
    assert reader.get(f"{SCANS}/{ecg.key}/report.pdf").content.startswith(b"%PDF")
    assert ",ecg,0.016,I; II,2," in reader.get("/api/v1/reports.csv").text


def test_a_list_has_the_contrast_that_an_image_was_read_as(
    store: DBManager, reader: TestClient
) -> None:
    [waiting] = make_claimable(store, 1)
    assert reader.get(f"{SCANS}/{waiting.key}").json()["read_as"] is None
    [claim] = store.claims.claim("w", 1, 60)
    made = make_report(claim.scan)
    findings = made.findings.model_copy(update={"parameters": {"contrast": "t1"}})
    store.claims.complete([(claim, made.model_copy(update={"findings": findings}))])
    [one] = reader.get(SCANS).json()["items"]
    assert (one["contrast"], one["read_as"]) == (None, "t1")
    assert reader.get(f"{SCANS}/{waiting.key}").json()["read_as"] == "t1"


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
    assert (keys(lesions=False), keys(lesions=True)) == ({report.key}, set())
    assert keys(since="2001-01-01T00:00:00Z", until="2001-01-02T01:00:00+01:00") == keys()
    assert keys(until="2000-12-31T23:59:59Z") == set()
    assert keys(text=failed[:20]) == {failed}


def test_the_oldest_come_first_on_request(store: DBManager, reader: TestClient) -> None:
    made = [scan.key for scan in make_claimable(store, 5, subject="sub-1")]
    for query in ({}, {"subject": "sub-1"}, {"state": "waiting"}):
        found: list[str] = []
        after: dict[str, str] = {}
        while True:
            params = {"limit": "2", "sort": "received_at", **query, **after}
            page = reader.get(SCANS, params=params).json()
            found += [one["key"] for one in page["items"]]
            assert page["total"] is None
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert found == made


def test_a_subjects_scans_are_of_the_states_that_were_asked_for(
    store: DBManager, reader: TestClient
) -> None:
    [scan] = make_claimable(store, 1, subject="sub-1")
    for state, found in (("waiting", [scan.key]), ("failed", [])):
        query = {"subject": "sub-1", "state": state}
        page = reader.get(SCANS, params=query).json()
        assert [one["key"] for one in page["items"]] == found
        assert sum(counted(reader, **query)["states"].values()) == len(found)


def test_a_patients_scans_are_those_of_the_pseudonyms(
    store: DBManager, client_of: ClientOf, context: WebContext
) -> None:
    first, again, other = (scan.key for scan in make_claimable(store, 3, subject="sub-1"))
    edit(store, again, **{"scan.subject": "sub-9", "also": [{"subject": "sub-2"}]})
    edit(store, other, **{"scan.subject": "sub-3"})
    context.store.patients.add(
        DEFAULT_TENANT, "patient-1", NewPatient(name="Ada", pseudonyms=("sub-1", "sub-2"))
    )
    context.store.patients.add(DEFAULT_TENANT, "patient-2", NewPatient(name="Eve"))
    client = client_of(Role.CLINICIAN)

    def keys(patient: str, **query: str) -> list[str]:
        query = {"patient": patient, **query}
        position = {"limit": "1"}
        found: list[str] = []
        while True:
            page = client.get(SCANS, params={**query, **position}).json()
            found += [one["key"] for one in page["items"]]
            if page["next"] is None:
                assert sum(counted(client, **query)["states"].values()) == len(found)
                return found
            position["after"] = page["next"]

    assert set(keys("patient-1")) == {first, again}
    assert keys("patient-1", subject="sub-1") == [first]
    assert set(keys("patient-1", text="scan-")) <= {first, again}
    assert keys("patient-2") == []


def test_who_may_not_know_of_patients_finds_none(client_of: ClientOf, context: WebContext) -> None:
    context.store.patients.add(NORTH, "patient-1", NewPatient(name="Eve"))
    clinician, reader = client_of(Role.CLINICIAN), client_of(Role.READER)
    for path in (SCANS, f"{SCANS}/counts", "/api/v1/reports.csv"):
        refused = reader.get(path, params={"patient": "patient-1"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        foreign, absent = (
            clinician.get(path, params={"patient": one}) for one in ("patient-1", "patient-2")
        )
        assert foreign.status_code == absent.status_code == 404
        assert foreign.content == absent.content


def test_a_scan_is_shown_with_its_history_and_an_etag(
    context: WebContext, store: DBManager, reader: TestClient, client_of: ClientOf
) -> None:
    recorded = store.recorded_by(context.audit)
    scan, voxels = make_scan(subject="sub-1", problems=["slices_missing"], modality="MR")
    recorded.scans.add([NewScan(scan, voxels)])
    [claim] = recorded.claims.claim("worker-1", 1, 60)
    context.audit.wait_durable()
    first = reader.get(f"{SCANS}/{scan.key}")
    shown = first.json()
    assert (shown["state"], shown["owner"], shown["attempts"]) == ("analysing", "fr-brain", 1)
    assert [one["by"] for one in shown["history"]] == ["fr-web", "fr-web"]  # on this host
    details = client_of(Role.OPERATOR).get(f"{SCANS}/{scan.key}").json()
    assert details["owner"] == "worker-1"
    assert {one["by"] for one in details["history"]} == {context.audit.writer}
    assert (shown["shape"], shown["problems"]) == ([10, 10], ["slices_missing"])
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


@pytest.mark.parametrize("path", ["scans", "scans/counts", "reports.csv", "audit"])
@pytest.mark.parametrize(
    "asked",
    [{"since": "0001-01-01T00:00:00+10:00"}, {"until": "9999-12-31T23:59:59-10:00"}],
)
def test_times_outside_the_years_in_utc_are_refused(
    client_of: ClientOf, path: str, asked: dict[str, str]
) -> None:
    answer = client_of(*Role).get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == 422, answer.text
    assert "years 1 to 9999" in answer.text
