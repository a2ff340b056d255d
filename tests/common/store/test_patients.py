"""Patients: of one tenant each, found by name, with pseudonyms that are theirs alone."""

import pytest

from common.domain.patient import PatientChanges
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.patient_documents import Patient
from common.store.patients import PatientOrder, Search
from common.store.pseudonym_claims import PseudonymInUse
from tests.factories import document_of, inside, together
from tests.web_records import measurement, patient


def add(store: DBManager, name: str, tenant: str = "default", **fields: object) -> Patient:
    return store.patients.add(tenant, f"id-{name}", patient(name, **fields))[0]


def names(
    store: DBManager, order: PatientOrder = PatientOrder.NAME, **options: object
) -> list[str]:
    found = store.patients.page("default", order, 10, **options)  # type: ignore[arg-type]
    return [one.name for one in found]


def erase(store: DBManager, tenant: str, patient: str) -> int:
    """Erase a patient without scans; the number of measurements."""
    found = store.patients.get(tenant, patient)
    if found is None:
        return 0
    assert store.patients.begin_erasure(tenant, found, (), "ada")
    begun = store.patients.erasure_of(tenant, patient)
    assert begun is not None
    return store.patients.complete_erasure(begun)


def test_a_patient_is_its_tenants(store: DBManager) -> None:
    ada = add(store, "Ada")
    assert store.patients.get("default", ada.id) == ada
    assert store.patients.get("north", ada.id) is None
    assert erase(store, "north", ada.id) == 0
    assert store.patients.change("north", ada, PatientChanges(name="Eve")) is None
    assert store.patients.get("default", ada.id) == ada


def test_an_id_is_used_once(store: DBManager) -> None:
    first, is_new = store.patients.add("default", "id-1", patient("Ada"), "r")
    again = store.patients.add("default", "id-1", patient("Eve"), "s")
    assert is_new
    assert again == (first, False)
    raced = together(4, lambda n: store.patients.add("default", "id-2", patient(f"P{n}")))
    assert sum(new for _, new in raced) == 1
    assert len({one.name for one, _ in raced}) == 1


def test_an_age_has_its_day_until_the_date_of_birth_is_known(store: DBManager) -> None:
    ada = add(store, "Ada", age=36)
    assert ada.age == 36
    assert ada.age_as_of == ada.created_at.date()
    born = store.patients.change(
        "default", ada, PatientChanges.model_validate({"birth_date": "1990-12-10"})
    )
    assert born is not None
    assert (str(born.birth_date), born.age, born.age_as_of) == ("1990-12-10", None, None)
    old = store.patients.change("default", born, PatientChanges(age=37))
    assert old is not None
    assert (old.birth_date, old.age) == (None, 37)


def test_of_two_changes_to_one_version_one_is_made(store: DBManager) -> None:
    ada = add(store, "Ada", conditions=["asthma"])
    changed = store.patients.change("default", ada, PatientChanges(name="Ada King"))
    assert changed is not None
    assert (changed.name, changed.conditions) == ("Ada King", ("asthma",))
    assert changed.version > ada.version
    assert store.patients.change("default", ada, PatientChanges(name="Eve")) is None


def test_a_pseudonym_is_one_patients(store: DBManager) -> None:
    add(store, "Ada", pseudonyms=["sub-01"])
    bea = add(store, "Bea", pseudonyms=["sub-02"])
    with pytest.raises(PseudonymInUse):
        add(store, "Eve", pseudonyms=["sub-03", "sub-01"])
    with pytest.raises(PseudonymInUse):
        store.patients.change("default", bea, PatientChanges(pseudonyms=("sub-01",)))
    assert store.patients.get("default", "id-Eve") is None
    assert add(store, "Ida", tenant="north", pseudonyms=["sub-01"]).pseudonyms == ("sub-01",)


def test_of_two_at_once_no_two_get_a_pseudonym(store: DBManager) -> None:
    def create(n: int) -> bool:
        try:
            add(store, f"P{n}", pseudonyms=["sub-01"])
        except PseudonymInUse:
            return False
        return True

    together(6, create)
    holders = names(store, search=Search(pseudonym="sub-01"))
    assert len(holders) <= 1


def test_pages_follow_each_other_in_each_order(store: DBManager) -> None:
    for name in ("Émile", "emil", "Ada", "Zoë", "Ada "):
        add(store, name)
    assert names(store) == ["Ada", "Ada", "emil", "Émile", "Zoë"]
    for order in PatientOrder:
        for descending in (False, True):
            whole = store.patients.page("default", order, 10, descending=descending)
            seen: list[Patient] = []
            while True:
                last = seen[-1] if seen else None
                by = {"name": "name_key", "created_at": "created_at"}[order]
                place = None
                if last is not None:
                    stored = document_of(store, last.id, Collection.PATIENTS)
                    place = (stored[by], last.id)
                page = store.patients.page("default", order, 2, after=place, descending=descending)
                seen += page
                if len(page) < 2:
                    break
            assert seen == whole
            assert len(seen) == 5


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("lov", ["Ada Lovelace"]),
        ("LOVE ad", ["Ada Lovelace"]),
        ("nunez", ["José Núñez"]),
        ("jose", ["José Núñez"]),
        ("ovelace", []),
        ("...", []),
        (".*", []),
        ("a", ["Ada Lovelace"]),
    ],
)
def test_names_are_found_by_beginnings_of_words(
    store: DBManager, name: str, found: list[str]
) -> None:
    add(store, "Ada Lovelace")
    add(store, "José Núñez")
    add(store, "Adam", tenant="north")
    assert names(store, search=Search(name=name)) == found


def test_identifiers_are_found_whole(store: DBManager) -> None:
    add(store, "Ada", identifiers=[{"system": "north", "value": "123"}])
    assert names(store, search=Search(identifier="123")) == ["Ada"]
    assert names(store, search=Search(identifier="12")) == []


def test_an_erased_patient_leaves_nothing(store: DBManager) -> None:
    ada, bea = add(store, "Ada"), add(store, "Bea")
    for n in range(3):
        store.measurements.add("default", ada.id, f"m-{n}", measurement())
    store.measurements.add("default", bea.id, "m-9", measurement())
    assert erase(store, "default", ada.id) == 3
    assert erase(store, "default", ada.id) == 0
    assert names(store) == ["Bea"]
    assert inside(store, Collection.PATIENTS).count_documents({}) == 1
    assert inside(store, Collection.MEASUREMENTS).count_documents({}) == 1


def test_an_interrupted_erasure_is_completed(store: DBManager) -> None:
    ada = add(store, "Ada", pseudonyms=["sub-01"])
    store.measurements.add("default", ada.id, "m-1", measurement())
    assert store.patients.begin_erasure("default", ada, ada.pseudonyms, "eve")
    assert store.patients.get("default", ada.id) is None
    assert names(store) == []
    assert store.measurements.add("default", ada.id, "m-2", measurement()) is None
    [begun] = store.patients.erasures()
    assert (begun.patient, begun.pseudonyms, begun.by) == (ada.id, ("sub-01",), "eve")
    assert store.patients.complete_erasure(begun) == 1
    assert inside(store, Collection.PATIENTS).count_documents({}) == 0
    assert inside(store, Collection.MEASUREMENTS).count_documents({}) == 0


def test_a_patient_who_was_changed_meanwhile_is_not_erased(store: DBManager) -> None:
    ada = add(store, "Ada")
    now = store.patients.change("default", ada, PatientChanges(name="Ada King"))
    assert not store.patients.begin_erasure("default", ada, (), "eve")
    assert store.patients.get("default", ada.id) == now


def test_a_mark_of_an_earlier_release_is_completed(store: DBManager) -> None:
    ada = add(store, "Ada")
    mark = {"_id": ada.id, "tenant": "default", "erasing": True}
    inside(store, Collection.PATIENTS).replace_one({"_id": ada.id}, mark)
    [begun] = store.patients.erasures()
    assert (begun.pseudonyms, begun.by) == ((), None)
    store.patients.complete_erasure(begun)
    assert inside(store, Collection.PATIENTS).count_documents({}) == 0


def test_a_damaged_patient_does_not_hide_the_others(store: DBManager) -> None:
    add(store, "Ada")
    add(store, "Bea")
    damaged = {"birth_date": "x", "sex": 7, "identifiers": [3], "pseudonyms": None, "age": -1}
    inside(store, Collection.PATIENTS).update_one({"_id": "id-Ada"}, {"$set": damaged})
    assert names(store) == ["Ada", "Bea"]


def test_patients_are_counted_unless_there_are_too_many(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Ada", "Bea", "Zoë"):
        add(store, name)
    add(store, "Eve", "north")
    erase(store, "default", "id-Ada")
    marked = {"$set": {"erasing": True}}
    inside(store, Collection.PATIENTS).update_one({"_id": "id-Bea"}, marked)
    assert store.patients.count("default") == 1
    monkeypatch.setattr("common.store.patients.COUNTED_MAX", 1)
    assert store.patients.count("default") is None
