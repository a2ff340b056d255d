"""What is accepted as a measurement: kinds, codes, units, ranges, times."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.loinc import LOINC, is_loinc, is_unit
from common.domain.measurement import (
    COMPONENTS,
    PANEL,
    QUANTITIES,
    NewMeasurement,
    component_name,
)
from common.domain.types import utc_now

AT = "2026-11-28T09:30:00+01:00"
GLUCOSE = {"system": LOINC, "code": "2339-0", "display": "Glucose"}


def made(**fields: Any) -> NewMeasurement:
    return NewMeasurement.model_validate({"taken_at": AT, **fields})


def pressure(systolic: Any, diastolic: Any, unit: str = "mm[Hg]", **more: Any) -> NewMeasurement:
    values = {"systolic": systolic, "diastolic": diastolic, **more}
    return made(
        kind="blood_pressure",
        components=[{"code": code, "value": v, "unit": unit} for code, v in values.items()],
    )


def test_the_codes_and_units_are_valid() -> None:
    for one in (*QUANTITIES.values(), *COMPONENTS.values(), PANEL):
        assert is_loinc(one.code)
        assert all(is_unit(unit) and low < high for unit, (low, high) in one.ranges.items())


@pytest.mark.parametrize(
    ("kind", "value", "unit", "code"),
    [
        ("temperature", 36.6, "Cel", "8310-5"),
        ("temperature", 98, "[degF]", "8310-5"),
        ("heart_rate", 72, "/min", "8867-4"),
        ("weight", 3200, "g", "29463-7"),
        ("spo2", 97, "%", "59408-5"),
    ],
)
def test_the_vital_signs_have_codes(kind: str, value: float, unit: str, code: str) -> None:
    measurement = made(kind=kind, value=value, unit=unit)
    assert (measurement.full_code.system, measurement.full_code.code) == (LOINC, code)
    assert measurement.series == (f"kind {kind}", f"{LOINC}|{code}")
    assert [(part.value, part.unit) for part in measurement.parts] == [(value, unit)]
    assert measurement.taken_at.isoformat() == "2026-11-28T08:30:00+00:00"


def test_a_blood_pressure_has_components_by_name_or_code() -> None:
    measurement = pressure(120, 80, mean=93)
    keys = [f"{LOINC}|{code}" for code in ("8480-6", "8462-4", "8478-0")]
    assert [part.code for part in measurement.parts] == keys
    assert measurement.series == ("kind blood_pressure", f"{LOINC}|85354-9", *keys)
    assert [component_name(key) for key in keys] == ["systolic", "diastolic", "mean"]
    by_code = [{"code": c, "value": v, "unit": "kPa"} for c, v in (("8462-4", 10), ("8480-6", 16))]
    parts = made(kind="blood_pressure", components=by_code).parts
    assert [(part.code, part.value) for part in parts] == [(keys[0], 16), (keys[1], 10)]


def test_a_free_one_has_a_code_or_a_name_alone() -> None:
    assert made(kind="other", code=GLUCOSE, value=5.1, unit="mmol/L").series == (
        "kind other",
        f"{LOINC}|2339-0",
    )
    named = made(kind="other", code={"display": "Pain"}, value=3, unit="{score}")
    assert (named.series, named.parts[0].code) == (("kind other",), None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "temperature", "value": 366, "unit": "Cel"},
        {"kind": "temperature", "value": 98.6, "unit": "Cel"},
        {"kind": "temperature", "value": 310, "unit": "K"},
        {"kind": "temperature", "value": 36.6, "unit": "°C"},
        {"kind": "temperature", "value": 36.6},
        {"kind": "temperature", "value": "36.6", "unit": "Cel"},
        {"kind": "temperature", "value": float("nan"), "unit": "Cel"},
        {"kind": "temperature", "value": 10**400, "unit": "Cel"},
        {"kind": "temperature", "value": 36.6, "unit": "Cel", "code": GLUCOSE},
        {"kind": "spo2", "value": 101, "unit": "%"},
        {"kind": "spo2", "value": True, "unit": "%"},
        {"kind": "weight", "value": 80, "unit": "kg", "components": []},
        {"kind": "blood_pressure", "value": 120, "unit": "mm[Hg]"},
        {"kind": "blood_pressure", "components": []},
        {"kind": "other", "value": 1, "unit": "1"},
        {"kind": "other", "value": 1, "unit": "1", "code": {"system": LOINC, "display": "x"}},
        {
            "kind": "other",
            "value": 1,
            "unit": "1",
            "code": {"system": LOINC, "code": "8310-5", "display": "x"},
        },
        {
            "kind": "other",
            "value": 1,
            "unit": "1",
            "code": {"system": LOINC, "code": "2339-1", "display": "x"},
        },
        {"kind": "mood", "value": 1, "unit": "1"},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"systolic": 80, "diastolic": 120},
        {"systolic": 120, "diastolic": 120},
        {"systolic": 120, "diastolic": 80, "mean": 130},
        {"systolic": 120, "diastolic": 80, "unit": "kPa"},
        {"systolic": 120, "diastolic": 80, "pulse": 60},
        {"systolic": 1200, "diastolic": 80},
        {"systolic": 120, "diastolic": None},
    ],
)
def test_a_wrong_blood_pressure_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        pressure(**wrong)


def test_components_come_once_and_in_one_unit() -> None:
    both = {"code": "systolic", "value": 120, "unit": "mm[Hg]"}
    for other in ({**both, "code": "8480-6"}, {"code": "diastolic", "value": 10, "unit": "kPa"}):
        with pytest.raises(ValidationError):
            made(kind="blood_pressure", components=[both, other])


@pytest.mark.parametrize(
    "time",
    ["2026-11-28T09:30:00", "2026-11-28", "1700000000", 1700000000, "1899-12-31T00:00:00Z", None],
)
def test_a_time_has_a_zone_and_is_no_number(time: Any) -> None:
    with pytest.raises(ValidationError):
        made(kind="spo2", value=97, unit="%", taken_at=time)


def test_a_time_is_not_in_the_future_and_as_exact_as_it_is_stored() -> None:
    now = utc_now()
    made(kind="spo2", value=97, unit="%", taken_at=now + timedelta(minutes=5))
    with pytest.raises(ValidationError):
        made(kind="spo2", value=97, unit="%", taken_at=now + timedelta(hours=2))
    exact = made(kind="spo2", value=97, unit="%", taken_at="2026-01-01T00:00:00.123456Z")
    assert exact.taken_at.microsecond == 123000
