"""The paths of Painkiller answer as its document says, with credentials."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web.routes import painkiller
from tests.factories import make_scan
from tests.fr_hub.web.conftest import ClientOf
from tests.web_records import as_json, measurement

ADA = {"name": "Ada Lovelace", "age": 36, "conditions": ["asthma"]}
TEMPERATURE = as_json(measurement())


@pytest.fixture
def client(client_of: ClientOf) -> TestClient:
    return client_of(Role.CLINICIAN)


def test_a_patient_is_created_measured_listed_and_deleted(client: TestClient) -> None:
    patient = client.post("/api/v1/patient", json=ADA).json()
    assert {name: patient[name] for name in ADA} == ADA
    assert client.get(f"/api/v1/patient/{patient['id']}").json() == patient
    measured = client.post(f"/api/v1/patient/{patient['id']}/measurements", json=TEMPERATURE)
    assert measured.status_code == 201
    assert client.post("/api/v1/patient/list").json() == [patient]
    assert client.post("/api/v1/measurements/list").json() == [measured.json()]
    gone = client.post(f"/api/v1/measurements/delete/{measured.json()['id']}")
    assert (gone.status_code, gone.json()) == (200, {"id": measured.json()["id"]})
    assert client.post("/api/v1/measurements/list").json() == []
    deleted = client.post(f"/api/v1/patient/delete/{patient['id']}")
    assert (deleted.status_code, deleted.json()["id"]) == (200, patient["id"])
    assert client.post("/api/v1/patient/list").json() == []
    assert client.get(f"/api/v1/patient/{patient['id']}").status_code == 404
    assert client.post(f"/api/v1/patient/delete/{patient['id']}").status_code == 404


def test_a_list_is_whole_though_it_is_read_in_pages(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painkiller, "_PAGE", 2)
    names = [f"P{n}" for n in range(5)]
    patients: list[dict[str, Any]] = [
        client.post("/api/v1/patient", json={"name": name}).json() for name in names
    ]
    for patient in patients:
        client.post(f"/api/v1/patient/{patient['id']}/measurements", json=TEMPERATURE)
    assert {one["name"] for one in client.post("/api/v1/patient/list").json()} == set(names)
    assert len(client.post("/api/v1/measurements/list").json()) == 5


def test_a_patient_with_scans_needs_a_confirmation(client_of: ClientOf, store: DBManager) -> None:
    admin = client_of(Role.ADMIN)
    patient = admin.post("/api/v1/patient", json={**ADA, "pseudonyms": ["sub-01"]}).json()
    scan, voxels = make_scan(subject="sub-01")
    store.scans.add([NewScan(scan, voxels)])
    address = f"/api/v1/patient/delete/{patient['id']}"
    asked = admin.post(address)
    assert (asked.status_code, asked.json()["would_delete"]["keys"]) == (409, [scan.key])
    assert admin.post(f"{address}?confirm=1").status_code == 200


def test_personal_data_needs_the_right_to_it(client_of: ClientOf) -> None:
    reader = client_of(Role.READER)
    for path in ("patient", "patient/list", "patient/delete/0", "patient/0/measurements"):
        assert reader.post(f"/api/v1/{path}", json={}).status_code == 403
    for path in ("measurements/list", "measurements/delete/0"):
        assert reader.post(f"/api/v1/{path}").status_code == 403
    assert reader.get("/api/v1/patient/0").status_code == 403
