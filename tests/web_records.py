"""Patients and measurements for tests."""

from typing import Any

from common.domain.measurement import NewMeasurement
from common.domain.patient import NewPatient


def patient(name: str = "Ada Lovelace", **fields: Any) -> NewPatient:
    """A patient to be stored."""
    return NewPatient.model_validate({"name": name, **fields})


def measurement(value: float = 36.6, **fields: Any) -> NewMeasurement:
    """A temperature to be stored, or what ``fields`` say."""
    whole = {"kind": "temperature", "value": value, "unit": "Cel", "taken_at": AT}
    return NewMeasurement.model_validate({**whole, **fields})


def as_json(record: NewMeasurement | NewPatient) -> dict[str, Any]:
    """The record as a client sends it."""
    return record.model_dump(mode="json", exclude_unset=True)


def pressure(systolic: float, diastolic: float, **fields: Any) -> NewMeasurement:
    """A blood pressure to be stored, mm[Hg]."""
    values = (("systolic", systolic), ("diastolic", diastolic))
    components = [{"code": code, "value": v, "unit": "mm[Hg]"} for code, v in values]
    whole = {"kind": "blood_pressure", "components": components, "taken_at": AT}
    return NewMeasurement.model_validate({**whole, **fields})


AT = "2026-11-01T08:00:00Z"
