"""A patient is deleted with all that belongs to it, once somebody has seen what that is."""

import json
from typing import Any

from fastapi.testclient import TestClient

from common.domain.audit_events import Kind
from common.domain.user import Role
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web.app import make_app
from fr_hub.web.context import WebContext
from tests.factories import inside, make_scan, state_of
from tests.fr_hub.web.conftest import ClientOf
from tests.web_records import as_json, measurement

PATIENTS = "/api/v1/patients"
ADA: dict[str, Any] = {
    "name": "Ada Lovelace",
    "birth_date": "1990-12-10",
    "identifiers": [{"system": "North", "value": "N-123"}],
    "pseudonyms": ["sub-01"],
}


def created(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(PATIENTS, json={**ADA, **fields})
    assert answer.status_code == 201, answer.text
    patient: dict[str, Any] = answer.json()
    return patient


def add_scan(store: DBManager, subject: str, pacs: str = "pacs-1") -> str:
    scan, voxels = make_scan(subject=subject, pacs=pacs)
    store.scans.add([NewScan(scan, voxels)])
    return scan.key


def test_a_deletion_lists_what_it_deletes_and_asks(client_of: ClientOf, store: DBManager) -> None:
    admin = client_of(Role.ADMIN)
    patient = created(admin)
    address = f"{PATIENTS}/{patient['id']}"
    assert admin.post(f"{address}/measurements", json=as_json(measurement())).status_code == 201
    keys = sorted([add_scan(store, "sub-01"), add_scan(store, "sub-01")])
    foreign = add_scan(store, "sub-01", pacs="mr-1")
    would = {"id": patient["id"], "measurements": 1, "scans": 2, "keys": keys}
    for wanted in ("", "?confirm=0", "?confirm=1"):
        asked = admin.delete(address + wanted)
        assert (asked.status_code, asked.json()["code"]) == (409, "confirmation_needed")
        assert asked.headers["content-type"] == "application/problem+json"
        assert asked.json()["would_delete"] == would
    assert admin.get(address).status_code == 200
    done = admin.delete(f"{address}?confirm=2", headers={"If-Match": '"9"'})
    assert done.status_code == 412
    done = admin.delete(f"{address}?confirm=2")
    assert (done.status_code, done.json()) == (200, would)
    assert admin.get(address).status_code == 404
    assert admin.get("/api/v1/measurements").json()["items"] == []
    states = {one["_id"]: one["report_generated"] for one in inside(store).find()}
    assert states == {**dict.fromkeys(keys, "Erased"), foreign: "To Do"}


def test_a_deletion_is_in_the_audit_trail_with_its_user_and_nothing_personal(
    client_of: ClientOf, store: DBManager
) -> None:
    admin = client_of(Role.ADMIN)
    patient, key = created(admin), add_scan(store, "sub-01")
    assert admin.delete(f"{PATIENTS}/{patient['id']}?confirm=1").status_code == 200
    entries = list(inside(store, Collection.AUDIT).find())
    events = [one for entry in entries for one in entry["events"] if one["kind"] == Kind.ERASE]
    assert [(one["ids"], one["outcome"]) for one in events] == [
        ([key], "asked for"),
        ([key], "erased"),
    ]
    assert events[0]["by"].startswith("user-")
    kept = json.dumps(entries, default=str)
    assert not any(text in kept for text in ("Ada", "Lovelace", "N-123", "1990", "sub-01"))


def test_erasing_scans_needs_the_right_to_it(client_of: ClientOf, store: DBManager) -> None:
    clinician = client_of(Role.CLINICIAN)
    patient, key = created(clinician), add_scan(store, "sub-01")
    address = f"{PATIENTS}/{patient['id']}"
    answer = clinician.delete(f"{address}?confirm=1")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    taken = clinician.patch(address, json={"pseudonyms": []}, headers={"If-Match": "*"})
    assert taken.status_code == 200
    assert clinician.delete(f"{address}?confirm=0").status_code == 200
    assert state_of(store, key) == "To Do"


def test_scans_that_may_be_anothers_are_not_erased(client_of: ClientOf, store: DBManager) -> None:
    admin = client_of(Role.ADMIN)
    patient, key = created(admin), add_scan(store, "sub-01")
    other = created(admin, pseudonyms=[])
    # As after a kill between two steps.
    inside(store, Collection.PATIENTS).update_one(
        {"_id": other["id"]}, {"$set": {"pseudonyms": ["sub-01"]}}
    )
    answer = admin.delete(f"{PATIENTS}/{patient['id']}?confirm=1")
    assert (answer.status_code, answer.json()["code"]) == (409, "pseudonym_in_use")
    assert state_of(store, key) == "To Do"


def interrupted(client: TestClient, store: DBManager) -> tuple[str, str]:
    """A patient with a scan and a measurement whose deletion was killed once it had begun: the
    patient's address, and the key of the scan."""
    patient, key = created(client), add_scan(store, "sub-01")
    address = f"{PATIENTS}/{patient['id']}"
    assert client.post(f"{address}/measurements", json=as_json(measurement())).status_code == 201
    found = store.patients.get("default", patient["id"])
    assert found is not None
    assert store.patients.begin_erasure("default", found, found.pseudonyms, "eve")
    assert client.get(address).status_code == 404
    return address, key


def test_a_deletion_that_was_killed_is_completed_when_it_is_repeated(
    client_of: ClientOf, store: DBManager
) -> None:
    admin = client_of(Role.ADMIN)
    address, key = interrupted(admin, store)
    done = admin.delete(address)
    assert (done.status_code, done.json()["measurements"], done.json()["keys"]) == (200, 1, [key])
    assert state_of(store, key) == "Erased"
    assert admin.get("/api/v1/measurements").json()["items"] == []
    assert admin.delete(address).status_code == 404


def test_a_deletion_that_was_killed_is_completed_at_the_next_start(
    client_of: ClientOf, store: DBManager, context: WebContext
) -> None:
    _, key = interrupted(client_of(Role.ADMIN), store)
    with TestClient(make_app(context)):
        assert state_of(store, key) == "Erased"
        assert store.patients.erasures() == []
        assert inside(store, Collection.MEASUREMENTS).count_documents({}) == 0
