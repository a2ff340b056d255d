"""A pseudonym that is claimed for one patient is nobody else's, and a claim does not last."""

import pytest

from common.domain.patient import PatientChanges
from common.store import pseudonym_claims
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.patient_documents import Patient
from common.store.patients import PatientOrder
from common.store.pseudonym_claims import PseudonymClaims, PseudonymInUse
from tests.factories import LONG_AGO, inside, together
from tests.web_records import patient


def add(store: DBManager, name: str, *pseudonyms: str) -> Patient:
    new = patient(name, pseudonyms=[*pseudonyms])
    return store.patients.add("default", f"id-{name}", new)[0]


def give(store: DBManager, to: Patient, *pseudonyms: str) -> Patient | None:
    return store.patients.change("default", to, PatientChanges(pseudonyms=pseudonyms))


def test_a_claimed_pseudonym_is_nobody_elses(store: DBManager) -> None:
    claims = PseudonymClaims(store.connection)
    bea = add(store, "Bea")
    with claims.held("default", "id-Ada", ["sub-01"]):
        with pytest.raises(PseudonymInUse):
            give(store, bea, "sub-01")
        with pytest.raises(PseudonymInUse):
            add(store, "Eve", "sub-01")
        assert not claims.is_taken("default", "id-Ada", ["sub-01"])
        assert not claims.is_taken("north", "id-Ida", ["sub-01"])
        assert store.patients.count("default") == 1
        assert [one.id for one in store.patients.page("default", PatientOrder.NAME, 9)] == [
            "id-Bea"
        ]
        assert store.patients.erasures() == []
    assert give(store, bea, "sub-01") is not None
    assert inside(store, Collection.PATIENTS).count_documents({"erasing": "claim"}) == 0


def test_a_change_with_a_pseudonym_of_another_patient_changes_nothing(store: DBManager) -> None:
    add(store, "Ada", "sub-01")
    bea = add(store, "Bea", "sub-02")
    changes = PatientChanges(name="Beatrice", pseudonyms=("sub-02", "sub-01"))
    with pytest.raises(PseudonymInUse):
        store.patients.change("default", bea, changes)
    assert store.patients.get("default", bea.id) == bea


def test_of_changes_at_once_one_gets_the_pseudonym_and_the_others_change_nothing(
    store: DBManager,
) -> None:
    some = [add(store, f"P{n}") for n in range(6)]

    def change(n: int) -> bool:
        changes = PatientChanges(name=f"Changed {n}", pseudonyms=("sub-01",))
        try:
            return store.patients.change("default", some[n], changes) is not None
        except PseudonymInUse:
            return False

    done = together(6, change)
    assert sum(done) <= 1
    for before, was_changed in zip(some, done, strict=True):
        after = store.patients.get("default", before.id)
        assert (after == before) is not was_changed


def test_a_claim_that_a_kill_left_behind_counts_for_a_while(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bea = add(store, "Ada"), add(store, "Bea")
    slow = PseudonymClaims(store.connection)
    with slow.held("default", ada.id, ["sub-01"]):
        with pytest.raises(PseudonymInUse):
            give(store, bea, "sub-01")
        old = {"$set": {"claimed_at": LONG_AGO}}
        inside(store, Collection.PATIENTS).update_one({"erasing": "claim"}, old)
        assert give(store, bea, "sub-01") is not None
        monkeypatch.setattr(pseudonym_claims.PseudonymClaims, "is_taken", lambda *_: False)
        assert give(store, ada, "sub-01") is None  # it was only slow, and finds another version
