"""Patients over the API: rights, tenants, versions, repetitions, search, deletion."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web.idempotency import REPLAYED
from tests.factories import make_scan
from tests.fr_hub.web.conftest import NORTH, ClientOf

PATIENTS = "/api/v1/patients"
ADA: dict[str, Any] = {
    "name": "Ada Lovelace",
    "birth_date": "1990-12-10",
    "sex": "female",
    "conditions": ["Migräne"],
    "identifiers": [{"system": "North", "value": "N-123"}],
    "pseudonyms": ["sub-01"],
}


@pytest.fixture
def clinician(client_of: ClientOf) -> TestClient:
    return client_of(Role.CLINICIAN)


def created(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(PATIENTS, json={**ADA, **fields})
    assert answer.status_code == 201, answer.text
    patient: dict[str, Any] = answer.json()
    return patient


def add_scan(store: DBManager, subject: str, pacs: str = "pacs-1") -> str:
    scan, voxels = make_scan(subject=subject, pacs=pacs)
    store.scans.add([NewScan(scan, voxels)])
    return scan.key


def test_a_patient_is_created_and_read(clinician: TestClient) -> None:
    answer = clinician.post(PATIENTS, json=ADA)
    patient = answer.json()
    assert answer.status_code == 201
    assert {name: patient[name] for name in ADA} == ADA
    assert patient["age"] >= 35
    assert patient["created_at"].endswith("Z")
    read = clinician.get(answer.headers["location"])
    assert read.json() == patient
    assert read.headers["etag"] == answer.headers["etag"]
    again = clinician.get(
        f"{PATIENTS}/{patient['id']}", headers={"If-None-Match": read.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("role", [Role.READER, Role.OPERATOR, Role.AUDITOR])
def test_personal_data_needs_the_right_to_it(
    clinician: TestClient, client_of: ClientOf, role: Role
) -> None:
    patient, other = created(clinician), client_of(role)
    calls = [
        *(("GET", path) for path in ("", f"/{patient['id']}", f"/{patient['id']}/scans")),
        *(("GET", f"/{patient['id']}{path}") for path in ("/measurements", "/trend?code=8310-5")),
        *(("POST", path) for path in ("", "/search", f"/{patient['id']}/measurements")),
        *(("PATCH", f"/{patient['id']}"), ("DELETE", f"/{patient['id']}")),
    ]
    for method, path in calls:
        answer = other.request(method, PATIENTS + path, json={} if method != "GET" else None)
        assert answer.status_code == 403, (method, path)
        assert "Ada" not in answer.text


def test_anothers_patient_answers_as_one_that_does_not_exist(
    clinician: TestClient, client_of: ClientOf
) -> None:
    patient, other = created(clinician), client_of(Role.ADMIN, tenant=NORTH)
    for method, path in (("GET", ""), ("GET", "/scans"), ("DELETE", "?confirm=0"), ("PATCH", "")):
        body = {"name": "Eve"} if method == "PATCH" else None
        answers = [
            other.request(method, f"{PATIENTS}/{one}{path}", json=body)
            for one in (patient["id"], "0" * 32)
        ]
        assert [one.status_code for one in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    assert other.get(PATIENTS).json()["items"] == []
    assert other.post(f"{PATIENTS}/search", json={"name": "Ada"}).json()["items"] == []
    assert clinician.get(f"{PATIENTS}/{patient['id']}").json() == patient


def test_a_creation_that_is_sent_again_makes_one_patient(clinician: TestClient) -> None:
    key = {"Idempotency-Key": "0b9d4d5e"}
    answers = [clinician.post(PATIENTS, json=ADA, headers=key) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert [one.headers.get(REPLAYED) for one in answers] == [None, "true"]
    other = clinician.post(PATIENTS, json={**ADA, "name": "Eve"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(clinician.get(PATIENTS).json()["items"]) == 1


def test_of_two_editors_the_second_one_is_told(clinician: TestClient) -> None:
    patient = created(clinician)
    address = f"{PATIENTS}/{patient['id']}"
    etag = {"If-Match": clinician.get(address).headers["etag"]}
    assert clinician.patch(address, json={"name": "Ada King"}).status_code == 428
    first = clinician.patch(address, json={"name": "Ada King"}, headers=etag)
    assert (first.status_code, first.json()["name"]) == (200, "Ada King")
    assert first.json()["conditions"] == ADA["conditions"]
    second = clinician.patch(address, json={"age": None}, headers=etag)
    assert (second.status_code, second.json()["code"]) == (412, "changed_meanwhile")
    over = clinician.patch(address, json={"birth_date": None, "age": 36}, headers={"If-Match": "*"})
    assert (over.json()["birth_date"], over.json()["age"]) == (None, 36)
    assert over.json()["age_as_of"] is not None


def test_a_pseudonym_is_one_patients(clinician: TestClient, client_of: ClientOf) -> None:
    created(clinician)
    answer = clinician.post(PATIENTS, json={**ADA, "name": "Eve"})
    assert (answer.status_code, answer.json()["code"]) == (409, "pseudonym_in_use")
    assert "sub-01" not in answer.text
    created(client_of(Role.CLINICIAN, tenant=NORTH))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Lovelace\x00"},
        {"birth_date": "10.12.1990"},
        {"birth_date": 1},
        {"age": 36},
        {"pseudonyms": ["Lovelace^Ada"]},
        {"Lovelace": 1},
    ],
)
def test_what_is_wrong_is_told_and_not_repeated(clinician: TestClient, wrong: Any) -> None:
    answer = clinician.post(PATIENTS, json={**ADA, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "Lovelace" not in answer.text
    assert "1990" not in answer.text


@pytest.mark.parametrize("path", ["", "/search"])
def test_pages_follow_each_other(clinician: TestClient, path: str) -> None:
    names = ["Zoë", "Ada", "Émile", "ada", "Bea"]
    for name in names:
        created(clinician, name=name, pseudonyms=[])
    seen: list[str] = []
    after = None
    while True:
        wanted = {"limit": 2, **({} if after is None else {"after": after})}
        answer = (
            clinician.post(PATIENTS + path, json=wanted)
            if path
            else clinician.get(PATIENTS, params=wanted)
        )
        page = answer.json()
        seen += [one["name"] for one in page["items"]]
        assert page["total"] == 5
        after = page["next"]
        if after is None:
            break
    assert len(seen) == 5
    if path:
        assert [name.casefold() for name in seen] == ["ada", "ada", "bea", "émile", "zoë"]
    else:
        assert seen == names[::-1] or sorted(seen) == sorted(names)  # within a millisecond


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"name": "love"}, ["Ada Lovelace"]),
        ({"identifier": "N-123"}, ["Ada Lovelace"]),
        ({"pseudonym": "sub-01"}, ["Ada Lovelace"]),
        ({"name": "love", "pseudonym": "sub-02"}, []),
        ({"name": "b", "sort": "-created_at"}, ["Bea"]),
        ({}, ["Ada Lovelace", "Bea"]),
    ],
)
def test_a_search_has_a_body(clinician: TestClient, wanted: Any, found: list[str]) -> None:
    created(clinician)
    created(clinician, name="Bea", pseudonyms=["sub-02"], identifiers=[])
    page = clinician.post(f"{PATIENTS}/search", json=wanted).json()
    assert [one["name"] for one in page["items"]] == found
    by_address = clinician.get(PATIENTS, params={"pseudonym": "sub-01"}).json()
    assert [one["name"] for one in by_address["items"]] == ["Ada Lovelace"]


def test_no_address_takes_personal_data(clinician: TestClient) -> None:
    document = clinician.get("/api/v1/openapi.json").json()
    inside_addresses = {
        parameter["name"]
        for path, item in document["paths"].items()
        if "patient" in path or "measurement" in path
        for about in item.values()
        for parameter in about.get("parameters", ())
        if parameter["in"] in ("query", "path")
    }
    assert inside_addresses.isdisjoint({"name", "search", "identifier", "birth_date"})


def test_a_cursor_of_another_list_is_refused(clinician: TestClient) -> None:
    for _ in range(2):
        created(clinician, pseudonyms=[])
    by_name = clinician.post(f"{PATIENTS}/search", json={"limit": 1}).json()["next"]
    for after in (by_name, "x"):
        answer = clinician.get(PATIENTS, params={"after": after})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "after"


def test_a_patients_scans_are_found(clinician: TestClient, store: DBManager) -> None:
    patient = created(clinician, pseudonyms=["sub-01", "sub-02"])
    keys = {add_scan(store, "sub-01"), add_scan(store, "sub-02")}
    add_scan(store, "sub-03")
    add_scan(store, "sub-01", pacs="mr-1")
    address = f"{PATIENTS}/{patient['id']}/scans"
    page = clinician.get(address).json()
    assert {one["key"] for one in page["items"]} == keys
    assert {one["state"] for one in page["items"]} == {"waiting"}
    first = clinician.get(address, params={"limit": 1}).json()
    second = clinician.get(address, params={"limit": 1, "after": first["next"]}).json()
    assert {first["items"][0]["key"], second["items"][0]["key"]} == keys
    assert second["next"] is None
