"""What is accepted as a patient."""

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.patient import NewPatient, PatientChanges, age_on
from common.domain.types import utc_now


def test_a_patient_needs_a_name_alone() -> None:
    patient = NewPatient.model_validate({"name": "Ada"})
    assert (patient.birth_date, patient.age, patient.sex) == (None, None, "unknown")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": None},
        {"age": -1},
        {"age": 131},
        {"age": True},
        {"age": "36"},
        {"birth_date": "1815-12-10"},
        {"birth_date": "0"},
        {"birth_date": 0},
        {"birth_date": "2026-02-30"},
        {"birth_date": (utc_now() + timedelta(days=3)).date().isoformat()},
        {"birth_date": "1990-12-10", "age": 36},
        {"sex": "f"},
        {"conditions": ["asthma", "asthma"]},
        {"conditions": ["a"] * 101},
        {"pseudonyms": ["Lovelace^Ada"]},
        {"pseudonyms": ["sub-01", "sub-01"]},
        {"identifiers": [{"value": "x" * 65}]},
        {"identifiers": [{"value": "1"}, {"value": "1"}]},
        {"name_key": "a"},
        {"_id": "a"},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewPatient.model_validate({"name": "Ada", **wrong})


def test_changes_name_what_changes() -> None:
    assert PatientChanges.model_validate({}).model_fields_set == set()
    assert PatientChanges.model_validate({"age": None}).model_fields_set == {"age"}


@pytest.mark.parametrize("field", ["name", "sex", "conditions", "identifiers", "pseudonyms"])
def test_null_does_not_empty_a_field(field: str) -> None:
    with pytest.raises(ValidationError):
        PatientChanges.model_validate({field: None})


@pytest.mark.parametrize(
    ("day", "age"), [("2001-02-28", 0), ("2001-03-01", 1), ("2004-02-29", 4), ("1999-01-01", 0)]
)
def test_an_age_is_in_whole_years(day: str, age: int) -> None:
    assert age_on(date(2000, 2, 29), date.fromisoformat(day)) == age
