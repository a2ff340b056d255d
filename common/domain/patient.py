"""A patient: personal data, which only users with the right to see it get, and which is stored in
the collections of patients and measurements alone."""

import re
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from common.domain.personal_text import Line
from common.domain.types import REQUEST_BODY, Frozen, Pseudonym, utc_now

AGE_MAX = 130
"""Years; nobody is known to have lived longer than 122."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EARLIEST = date(1870, 1, 1)

_EXAMPLE: dict[str, Any] = {
    "name": "Ada Lovelace",
    "birth_date": "1985-12-10",
    "sex": "female",
    "conditions": ["Migraine"],
    "identifiers": [{"system": "clinic", "value": "4711"}],
    "pseudonyms": ["sub-01"],
}


class Sex(StrEnum):
    """Administrative gender, as in FHIR R5 (http://hl7.org/fhir/administrative-gender)."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class PatientIdentifier(Frozen):
    """A number or name by which an organisation knows the patient, such as DICOM's PatientID."""

    system: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="who gave it, such as the name of the hospital"
    )
    value: Annotated[Line, Field(max_length=64)]


def _different(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(items)) < len(items):
        raise ValueError("has an item twice: name each once")
    return items


Conditions = Annotated[tuple[Line, ...], Field(max_length=100), AfterValidator(_different)]
Identifiers = Annotated[
    tuple[PatientIdentifier, ...], Field(max_length=20), AfterValidator(_different)
]
Pseudonyms = Annotated[tuple[Pseudonym, ...], Field(max_length=20), AfterValidator(_different)]


def _only_text(value: Any) -> Any:
    is_date = isinstance(value, date) or (isinstance(value, str) and _DATE.fullmatch(value))
    if value is not None and not is_date:
        raise ValueError("must be a date as in 1970-12-31")
    return value


class _PatientFields(Frozen):
    """What a person may say of a patient."""

    birth_date: date | None = Field(default=None, description="as in 1970-12-31")
    age: Annotated[int, Field(strict=True, ge=0, le=AGE_MAX)] | None = Field(
        default=None, description="whole years, if the date of birth is not known"
    )
    sex: Sex = Sex.UNKNOWN
    conditions: Conditions = ()
    identifiers: Identifiers = ()
    pseudonyms: Pseudonyms = Field(
        default=(),
        description="under which Fr-PACS send scans of this patient (`make pseudonym` prints them)",
    )

    @field_validator("birth_date", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        return _only_text(value)

    @field_validator("birth_date")
    @classmethod
    def _is_past(cls, value: date | None) -> date | None:
        tomorrow = utc_now().date() + timedelta(days=1)  # where the day begins before UTC's
        if value is not None and not _EARLIEST <= value <= tomorrow:
            raise ValueError(f"must be between {_EARLIEST} and today")
        return value

    @model_validator(mode="after")
    def _one_age(self) -> Self:
        if self.birth_date is not None and self.age is not None:
            raise ValueError("give birth_date or age, not both: the age follows from the date")
        return self


class NewPatient(_PatientFields):
    """A patient to be stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]}, **REQUEST_BODY)

    name: Line


class PatientChanges(_PatientFields):
    """Fields of a patient to change; all others stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"conditions": ["Multiple sclerosis"]}]}, **REQUEST_BODY
    )

    name: Line | None = None

    @model_validator(mode="after")
    def _keep(self) -> Self:
        for field in self.model_fields_set - {"birth_date", "age"}:
            if getattr(self, field) is None:
                raise ValueError(f"{field} cannot be null: leave it out, and it stays as it is")
        return self


def age_on(birth_date: date, day: date) -> int:
    """Whole years of life on a day. Who was born on 29 February is a year older on 1 March."""
    before = (day.month, day.day) < (birth_date.month, birth_date.day)
    return max(0, day.year - birth_date.year - before)
