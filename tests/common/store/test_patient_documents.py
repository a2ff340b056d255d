"""A patient is read from a document, whatever is damaged in it."""

from datetime import UTC, date, datetime

from common.domain.patient import Sex
from common.store.patient_documents import patient_fields, patient_in

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)


def test_fields_are_stored_with_what_they_are_found_by() -> None:
    fields = patient_fields({"name": "Ada Lovelace", "age": 36}, NOW)
    assert fields["words"] == ["ada", "lovelace"]
    assert (fields["age_as_of"], fields["birth_date"]) == ("2026-11-01", None)
    assert patient_fields({"birth_date": "1990-12-10"}, NOW)["age"] is None
    assert patient_fields({"age": None}, NOW)["age_as_of"] is None


def test_what_is_damaged_counts_as_not_stored() -> None:
    found = patient_in(
        {
            "_id": "p-1",
            "birth_date": "tomorrow",
            "age": "old",
            "sex": 7,
            "conditions": "none",
            "identifiers": [{"value": 12}, "x"],
            "pseudonyms": ["sub-01", 3],
        }
    )
    assert (found.birth_date, found.age, found.sex) == (None, None, Sex.UNKNOWN)
    assert (found.conditions, found.pseudonyms) == ((), ("sub-01",))
    assert [one.value for one in found.identifiers] == ["12"]
    assert found.version == 0
    assert found.age_as_of is None or isinstance(found.age_as_of, date)
