"""Measurements over the API."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.domain.user import Role
from fr_hub.web.idempotency import REPLAYED
from tests.fr_hub.web.conftest import NORTH, ClientOf

ALL = "/api/v1/measurements"
PRESSURE: dict[str, Any] = {
    "kind": "blood_pressure",
    "components": [
        {"code": "systolic", "value": 120, "unit": "mm[Hg]"},
        {"code": "8462-4", "value": 80, "unit": "mm[Hg]"},
    ],
    "taken_at": "2026-11-01T09:00:00+01:00",
}


def temperature(value: float, hour: int = 0, **fields: Any) -> dict[str, Any]:
    at = f"2026-11-01T{hour:02}:00:00Z"
    return {"kind": "temperature", "value": value, "unit": "Cel", "taken_at": at, **fields}


@pytest.fixture
def clinician(client_of: ClientOf) -> TestClient:
    return client_of(Role.CLINICIAN)


@pytest.fixture
def ada(clinician: TestClient) -> str:
    """The address of a patient."""
    answer = clinician.post("/api/v1/patients", json={"name": "Ada Lovelace"})
    return str(answer.headers["location"])


def add(client: TestClient, ada: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = client.post(f"{ada}/measurements", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_measurement_is_added_read_and_deleted(clinician: TestClient, ada: str) -> None:
    made = add(clinician, ada, temperature(36.6, note="after lunch"))
    assert (made["value"], made["unit"], made["components"]) == (36.6, "Cel", None)
    assert made["code"] == {
        "system": "http://loinc.org",
        "code": "8310-5",
        "display": "Body temperature",
    }
    assert ada.endswith(made["patient_id"])
    assert made["taken_at"] == "2026-11-01T00:00:00Z"
    assert clinician.get(f"{ALL}/{made['id']}").json() == made
    assert clinician.delete(f"{ALL}/{made['id']}").status_code == 204
    assert clinician.get(f"{ALL}/{made['id']}").status_code == 404
    assert clinician.delete(f"{ALL}/{made['id']}").status_code == 404


def test_a_blood_pressure_has_components(clinician: TestClient, ada: str) -> None:
    made = add(clinician, ada, PRESSURE)
    assert made["components"] == [
        {"code": "systolic", "value": 120, "unit": "mm[Hg]"},
        {"code": "diastolic", "value": 80, "unit": "mm[Hg]"},
    ]
    assert (made["value"], made["taken_at"]) == (None, "2026-11-01T08:00:00Z")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (temperature(98.6), "between 12 and 47 Cel"),
        (temperature(36.6, unit="[degC]"), "nothing is converted"),
        (temperature(36.6, taken_at="2026-11-01T00:00:00"), "no zone"),
        (temperature(36.6, note="Lovelace\x07"), "cannot be shown"),
        ({**PRESSURE, "components": PRESSURE["components"][:1]}, "systolic and diastolic"),
        ({}, "is missing"),
    ],
)
def test_what_is_wrong_is_told(
    clinician: TestClient, ada: str, body: dict[str, Any], told: str
) -> None:
    answer = clinician.post(f"{ada}/measurements", json=body)
    assert answer.status_code == 422
    assert told in " ".join(one["message"] for one in answer.json()["errors"])
    assert "Lovelace" not in answer.text


def test_a_measurement_that_is_sent_again_is_one(clinician: TestClient, ada: str) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = add(clinician, ada, temperature(36.6), **key)
    again = clinician.post(f"{ada}/measurements", json=temperature(36.6), headers=key)
    assert (again.status_code, again.json()) == (201, first)
    assert again.headers[REPLAYED] == "true"
    assert clinician.post(f"{ada}/measurements", json=PRESSURE, headers=key).status_code == 422
    assert len(clinician.get(ALL).json()["items"]) == 1


def test_lists_are_of_a_patient_or_all(clinician: TestClient, ada: str) -> None:
    bea = clinician.post("/api/v1/patients", json={"name": "Bea"}).headers["location"]
    for n, who in enumerate((ada, ada, bea)):
        add(clinician, who, temperature(36 + n, n))
    add(clinician, ada, PRESSURE)

    def hours(address: str, **wanted: Any) -> list[int]:
        items = clinician.get(address, params=wanted).json()["items"]
        return [int(one["taken_at"][11:13]) for one in items]

    assert hours(ALL) == [8, 2, 1, 0]
    assert hours(ALL, sort="taken_at", kind="temperature") == [0, 1, 2]
    assert hours(f"{ada}/measurements") == [8, 1, 0]
    assert hours(f"{ada}/measurements", code="8480-6") == [8]
    assert hours(f"{ada}/measurements", code="http://loinc.org|8310-5") == [1, 0]
    assert hours(
        f"{ada}/measurements", since="2026-11-01T01:00:00Z", until="2026-11-01T08:00Z"
    ) == [1]
    first = clinician.get(ALL, params={"limit": 3}).json()
    assert hours(ALL, limit=3, after=first["next"]) == [0]
    for wrong in ({"since": "2026-11-01"}, {"since": "1"}, {"kind": "mood"}, {"limit": 0}):
        assert clinician.get(ALL, params=wrong).status_code == 422


def test_a_trend_is_by_code_and_unit(clinician: TestClient, ada: str) -> None:
    for hour in range(6):
        add(clinician, ada, temperature(36 + hour % 3, hour))
    add(clinician, ada, temperature(99, unit="[degF]"))
    add(clinician, ada, PRESSURE)
    trend = clinician.get(f"{ada}/trend", params={"code": "8310-5", "points": 2}).json()
    celsius, fahrenheit = trend["series"]
    assert (celsius["unit"], celsius["bucketed"], celsius["count"]) == ("Cel", True, 6)
    assert [(p["min"], p["mean"], p["max"]) for p in celsius["points"]] == [(36, 37, 38)] * 2
    assert (fahrenheit["unit"], fahrenheit["bucketed"]) == ("[degF]", False)
    both = clinician.get(f"{ada}/trend", params={"code": "85354-9"}).json()["series"]
    assert [one["code"] for one in both] == ["systolic", "diastolic"]
    assert clinician.get(f"{ada}/trend", params={"code": "8867-4"}).json()["series"] == []
    assert clinician.get(f"{ada}/trend").status_code == 422


def test_anothers_answers_as_what_does_not_exist(
    clinician: TestClient, client_of: ClientOf, ada: str
) -> None:
    made, other = add(clinician, ada, PRESSURE), client_of(Role.CLINICIAN, tenant=NORTH)
    pairs = [(f"{ALL}/{made['id']}", f"{ALL}/0")]
    pairs += [
        (f"{ada}{end}", f"/api/v1/patients/0{end}") for end in ("/measurements", "/trend?code=x")
    ]
    for there, absent in pairs:
        answers = other.get(there), other.get(absent)
        assert [one.status_code for one in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    assert other.delete(f"{ALL}/{made['id']}").status_code == 404
    assert other.post(f"{ada}/measurements", json=PRESSURE).status_code == 404
    assert other.get(ALL).json()["items"] == []


@pytest.mark.parametrize("role", [Role.READER, Role.OPERATOR, Role.AUDITOR])
def test_measurements_are_personal_data(
    clinician: TestClient, client_of: ClientOf, ada: str, role: Role
) -> None:
    made, other = add(clinician, ada, PRESSURE), client_of(role)
    for address in (ALL, f"{ALL}/{made['id']}"):
        assert other.get(address).status_code == 403
    assert other.delete(f"{ALL}/{made['id']}").status_code == 403
