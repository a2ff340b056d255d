"""Patients as they are stored, and as the rest of Fr sees them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from common.domain.patient import PatientIdentifier, Sex
from common.domain.personal_text import name_key, words_of
from common.domain.types import Document
from common.store.damage import whole


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient, as stored."""

    id: str
    name: str
    birth_date: date | None
    age: int | None
    """Years on the day ``age_as_of``; None if the date of birth is known, or neither."""
    age_as_of: date | None
    sex: Sex
    conditions: tuple[str, ...]
    identifiers: tuple[PatientIdentifier, ...]
    pseudonyms: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    version: int
    """Another one after each change."""
    request: str
    """Fingerprint of the request that created it."""


def patient_fields(named: Document, now: datetime) -> Document:
    """What is stored of these fields."""
    made = dict(named)
    if "name" in made:
        made["name_key"] = name_key(made["name"])
        made["words"] = words_of(made["name"])
    if made.get("birth_date") is not None:
        made.update(age=None, age_as_of=None)
    elif made.get("age") is not None:
        made.update(birth_date=None, age_as_of=now.date().isoformat())
    elif "age" in made:
        made["age_as_of"] = None
    return made


def patient_in(document: Document) -> Patient:
    """The patient in a document; what is damaged in it counts as not stored."""
    created = _time(document.get("created_at"))
    sex = document.get("sex")
    return Patient(
        id=document["_id"],
        name=str(document.get("name", "")),
        birth_date=_date(document.get("birth_date")),
        age=whole(document.get("age")),
        age_as_of=_date(document.get("age_as_of")),
        sex=Sex(sex) if sex in set(Sex) else Sex.UNKNOWN,
        conditions=tuple(_texts(document.get("conditions"))),
        identifiers=tuple(_identifiers(document.get("identifiers"))),
        pseudonyms=tuple(_texts(document.get("pseudonyms"))),
        created_at=created,
        updated_at=_time(document.get("updated_at")),
        version=whole(document.get("version")) or 0,
        request=str(document.get("request", "")),
    )


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _identifiers(value: object) -> list[PatientIdentifier]:
    some = value if isinstance(value, list) else []
    return [
        PatientIdentifier.model_construct(system=one.get("system"), value=str(one["value"]))
        for one in some
        if isinstance(one, dict) and "value" in one
    ]


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _time(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromtimestamp(0, tz=UTC)
