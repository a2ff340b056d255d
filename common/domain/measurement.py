"""Measurements of a patient: what was measured, by a code of LOINC where there is one, and its
value in a unit of UCUM. Nothing is converted: a value stays in the unit that it was sent in.

The codes and units are those of FHIR R5's profile of vital signs
(https://hl7.org/fhir/R5/observation-vitalsigns.html), which has the codes of the panel of blood
pressure and of its components, too. The ranges are what living people have had, with a margin: they
catch a wrong unit or a slipped digit, and say nothing about health.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from common.domain.loinc import LOINC, is_loinc, is_unit
from common.domain.personal_text import Line, Note
from common.domain.types import REQUEST_BODY, Frozen, Instant, utc_now

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)
_AHEAD = timedelta(hours=1)
"""How far the clock of whoever measures may be ahead."""

PRESSURE = "mm[Hg]"


class MeasurementKind(StrEnum):
    """What was measured."""

    # Stored: never change a value.
    TEMPERATURE = "temperature"
    BLOOD_PRESSURE = "blood_pressure"
    HEART_RATE = "heart_rate"
    WEIGHT = "weight"
    SPO2 = "spo2"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value that is measured.

    Args:
        code: of LOINC.
        display: its name.
        ranges: for each unit (UCUM) that is accepted, the least and the greatest plausible value.
    """

    code: str
    display: str
    ranges: Mapping[str, tuple[float, float]]


def _quantity(code: str, display: str, **ranges: tuple[float, float]) -> Quantity:
    return Quantity(code, display, MappingProxyType(ranges))


_PRESSURES = {PRESSURE: (30.0, 350.0), "kPa": (4.0, 46.7)}
_LOWER = {PRESSURE: (10.0, 250.0), "kPa": (1.3, 33.4)}

QUANTITIES: Mapping[MeasurementKind, Quantity] = MappingProxyType(
    {
        MeasurementKind.TEMPERATURE: _quantity(
            "8310-5", "Body temperature", **{"Cel": (12.0, 47.0), "[degF]": (53.6, 116.6)}
        ),
        MeasurementKind.HEART_RATE: _quantity(
            "8867-4", "Heart rate", **{"/min": (10.0, 500.0), "{beats}/min": (10.0, 500.0)}
        ),
        MeasurementKind.WEIGHT: _quantity(
            "29463-7",
            "Body weight",
            **{"kg": (0.2, 700.0), "g": (200.0, 700_000.0), "[lb_av]": (0.4, 1543.0)},
        ),
        MeasurementKind.SPO2: _quantity(
            "59408-5",
            "Oxygen saturation in Arterial blood by Pulse oximetry",
            **{"%": (20.0, 100.0)},
        ),
    }
)
"""What the kinds with one value measure."""

PANEL = _quantity("85354-9", "Blood pressure panel with all children optional")
COMPONENTS: Mapping[str, Quantity] = MappingProxyType(
    {
        "systolic": _quantity("8480-6", "Systolic blood pressure", **_PRESSURES),
        "diastolic": _quantity("8462-4", "Diastolic blood pressure", **_LOWER),
        "mean": _quantity("8478-0", "Mean blood pressure", **_LOWER),
    }
)
"""The components of a blood pressure, by their names."""

_BY_CODE = {one.code: name for name, one in COMPONENTS.items()}
_KNOWN = {one.code for one in (*QUANTITIES.values(), *COMPONENTS.values(), PANEL)}

_Number = Annotated[float, Field(strict=True, gt=-1e12, lt=1e12)]


def _unit(text: str) -> str:
    if not is_unit(text):
        raise ValueError(
            "must be a unit of UCUM, such as mm[Hg], Cel, /min, kg, %, mmol/L; 1 for a pure number"
        )
    return text


Unit = Annotated[str, Field(max_length=64), AfterValidator(_unit)]


def only_text(value: Any) -> Any:
    """Refuse what pydantic takes for a time and people do not write: numbers."""
    # Else pydantic takes numbers, as seconds since 1970.
    is_time = isinstance(value, datetime) or (isinstance(value, str) and _TIME.match(value))
    if not is_time:
        raise ValueError("must be a time with its zone, as in 2026-11-28T09:30:00Z")
    return value


def _to_ms(at: datetime) -> datetime:
    if at < EARLIEST or at > utc_now() + _AHEAD:
        raise ValueError(f"must be between {EARLIEST.year} and now")
    return at.replace(microsecond=at.microsecond // 1000 * 1000)  # as BSON stores it


Taken = Annotated[Instant, BeforeValidator(only_text), AfterValidator(_to_ms)]


class Code(Frozen):
    """A code, and its name for people."""

    system: Annotated[str, Field(pattern=r"^[!-{}~]{1,200}$")] | None = Field(
        default=None, description=f"URI of the system of codes; {LOINC} for LOINC"
    )
    code: Annotated[str, Field(pattern=r"^[!-{}~]{1,64}$")] | None = None
    display: Line

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.system is None) != (self.code is None):
            raise ValueError("give both system and code, or display alone")
        if self.system == LOINC and not is_loinc(self.code or ""):
            raise ValueError("is not a LOINC code: its check digit is wrong")
        return self


class Component(Frozen):
    """One of the values of a blood pressure."""

    code: Annotated[str, Field(max_length=16)] = Field(
        description="'systolic', 'diastolic' or 'mean', or their codes of LOINC"
    )
    value: _Number
    unit: Unit = Field(description="of UCUM")

    @property
    def name(self) -> str:
        """The component's name, whichever way it was given; else what was given."""
        return _BY_CODE.get(self.code, self.code)


@dataclass(frozen=True, slots=True)
class Part:
    """A value of a measurement, as it is stored.

    Args:
        code: key of its code (``code_key``); None for a free one without a code.
    """

    code: str | None
    value: float
    unit: str


_EXAMPLES: list[Any] = [
    {"kind": "weight", "value": 70.5, "unit": "kg", "taken_at": "2026-01-31T09:30:00Z"},
    {
        "kind": "blood_pressure",
        "components": [
            {"code": "systolic", "value": 120, "unit": "mm[Hg]"},
            {"code": "diastolic", "value": 80, "unit": "mm[Hg]"},
        ],
        "taken_at": "2026-01-31T09:30:00+01:00",
    },
    {
        "kind": "other",
        "code": {"system": LOINC, "code": "2345-7", "display": "Glucose"},
        "value": 5.4,
        "unit": "mmol/L",
        "taken_at": "2026-01-31T09:30:00Z",
    },
]


class NewMeasurement(Frozen):
    """A measurement to be stored."""

    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLES}, **REQUEST_BODY)

    kind: MeasurementKind
    code: Code | None = Field(
        default=None, description="only for the kind 'other'; Fr sets the codes of the other kinds"
    )
    value: _Number | None = None
    unit: Unit | None = Field(default=None, description="of UCUM")
    components: Annotated[tuple[Component, ...], Field(max_length=8)] | None = Field(
        default=None, description="of a blood pressure"
    )
    taken_at: Taken = Field(description="with its zone, as in 2026-11-28T09:30:00Z")
    note: Note | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind is MeasurementKind.BLOOD_PRESSURE:
            self._check_pressure()
            return self
        if self.components is not None:
            raise ValueError("components: only a blood pressure has them; give value and unit")
        if self.value is None or self.unit is None:
            raise ValueError("give value and unit")
        if self.kind is MeasurementKind.OTHER:
            if self.code is None:
                raise ValueError("code: say what was measured, at least its 'display'")
            if self.code.system == LOINC and self.code.code in _KNOWN:
                raise ValueError("kind: give the kind that this code belongs to")
            return self
        self._check_code(QUANTITIES[self.kind])
        _check_range("value", QUANTITIES[self.kind], self.value, self.unit)
        return self

    def _check_code(self, known: Quantity) -> None:
        given = self.code
        if given is not None and (given.system, given.code) != (LOINC, known.code):
            raise ValueError(f"code: this kind has the code {known.code} of {LOINC}; leave it out")

    def _check_pressure(self) -> None:
        self._check_code(PANEL)
        if self.value is not None or self.unit is not None or not self.components:
            raise ValueError("give components: systolic and diastolic, each with value and unit")
        values = {one.name: one.value for one in self.components}
        if len(values) < len(self.components) or not {"systolic", "diastolic"} <= values.keys():
            raise ValueError("components: give systolic and diastolic, each once")
        if not values.keys() <= COMPONENTS.keys():
            raise ValueError("components: must be systolic, diastolic or mean")
        if len({one.unit for one in self.components}) > 1:
            raise ValueError("components: give all in the same unit")
        for one in self.components:
            _check_range(one.name, COMPONENTS[one.name], one.value, one.unit)
        if values["systolic"] <= values["diastolic"]:
            raise ValueError("components: the systolic pressure must be above the diastolic one")
        if not values["diastolic"] <= values.get("mean", values["diastolic"]) < values["systolic"]:
            raise ValueError("components: the mean must be between diastolic and systolic")

    @property
    def full_code(self) -> Code:
        """What was measured: the kind's code, or the one that was given."""
        if self.kind is MeasurementKind.OTHER and self.code is not None:
            return self.code
        known = QUANTITIES.get(self.kind, PANEL)
        return Code(system=LOINC, code=known.code, display=known.display)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its values."""
        if self.components:
            named = {one.name: one for one in self.components}
            return tuple(
                Part(code_key(LOINC, about.code), named[name].value, named[name].unit)
                for name, about in COMPONENTS.items()
                if name in named
            )
        code = self.full_code
        return (Part(code_key(code.system, code.code), self.value or 0.0, self.unit or ""),)

    @property
    def series(self) -> tuple[str, ...]:
        """The keys of the series that it belongs to: of its kind, its code and its components."""
        code = self.full_code
        keys = (code_key(code.system, code.code), *(part.code for part in self.parts))
        return tuple(dict.fromkeys([f"kind {self.kind}", *(key for key in keys if key)]))


def code_key(system: str | None, code: str | None) -> str | None:
    """A code with its system as one string, as in FHIR's searches: ``system|code``."""
    return None if system is None or code is None else f"{system}|{code}"


def component_name(key: str) -> str | None:
    """The name of a blood pressure's component by the key of its code."""
    system, _, code = key.rpartition("|")
    return _BY_CODE.get(code) if system == LOINC else None


def _check_range(name: str, about: Quantity, value: float, unit: str) -> None:
    if unit not in about.ranges:
        raise ValueError(
            f"{name}: the unit must be {' or '.join(about.ranges)}; nothing is converted"
        )
    low, high = about.ranges[unit]
    if not low <= value <= high:
        raise ValueError(
            f"{name}: must be between {low:g} and {high:g} {unit}; check the value and its unit"
        )
