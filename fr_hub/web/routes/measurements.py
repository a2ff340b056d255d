"""Measurements of patients: personal data, as patients are."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from common.domain.loinc import LOINC
from common.domain.measurement import (
    COMPONENTS,
    PANEL,
    MeasurementKind,
    NewMeasurement,
    code_key,
    component_name,
)
from common.domain.rounding import rounded_mean
from common.domain.tenant import Tenant
from common.domain.user import Right
from common.store.measurements import Measurement, MeasurementsWanted, TrendPoint
from fr_hub.web.access import CurrentTenant, intend, requires
from fr_hub.web.context import Context, WebContext
from fr_hub.web.idempotency import CurrentCreation
from fr_hub.web.models import Answer, ListAnswer, Time
from fr_hub.web.ordered_cursors import cursor_after, time_of
from fr_hub.web.problems import not_found
from fr_hub.web.routes.patients import After, Limit, PatientId, found

router = APIRouter(tags=["measurements"])

POINTS_MAX = 2000

MeasurementId = Annotated[str, Path(max_length=64)]
Since = Annotated[
    Time | None, Query(description="only measurements from this time on; it needs a time zone")
]
Until = Annotated[
    Time | None, Query(description="only measurements before this time; it needs a time zone")
]
Sort = Literal["taken_at", "-taken_at"]
CodeParameter = Annotated[str, Query(pattern=r"^[!-{}~]{1,200}(\|[!-{}~]{1,64})?$")]
"""A code of LOINC, or a system and a code with ``|`` between."""


class CodeData(Answer):
    """What was measured."""

    system: str | None
    code: str | None
    display: str


class ComponentData(Answer):
    """One of the values of a blood pressure."""

    code: str
    value: float
    unit: str


class MeasurementData(Answer):
    """A measurement: with value and unit, or a blood pressure with components."""

    id: str
    patient_id: str
    kind: MeasurementKind
    code: CodeData
    value: float | None = None
    unit: str | None = None
    components: list[ComponentData] | None = None
    taken_at: datetime
    note: str | None
    created_at: datetime


class MeasurementPage(ListAnswer):
    """A page of measurements."""

    items: list[MeasurementData]


class TrendPointData(Answer):
    """The values from ``start`` to ``end``: one, or those of a span of time."""

    start: datetime
    end: datetime
    count: int
    min: float
    mean: float
    max: float


class TrendSeriesData(Answer):
    """The values of one code in one unit; what was measured in another unit is another series."""

    code: str | None = Field(description="'systolic', or the code")
    unit: str
    count: int = Field(description="values in all points together")
    bucketed: bool = Field(description="whether points stand for spans of time")
    points: list[TrendPointData]


class Trend(Answer):
    """Values over time."""

    patient_id: str
    code: str
    series: list[TrendSeriesData]


def shown(one: Measurement) -> MeasurementData:
    """What the API answers about a measurement."""
    made = MeasurementData(
        id=one.id,
        patient_id=one.patient,
        kind=MeasurementKind(one.kind),
        code=CodeData(system=one.system, code=one.code, display=one.display),
        taken_at=one.taken_at,
        note=one.note,
        created_at=one.created_at,
    )
    if made.kind is MeasurementKind.BLOOD_PRESSURE:
        made.components = [
            ComponentData(code=_short(part.code) or "", value=part.value, unit=part.unit)
            for part in one.parts
        ]
    else:
        made.value, made.unit = one.parts[0].value, one.parts[0].unit
    return made


def _short(key: str | None) -> str | None:
    """The name of a component, or the code of a key."""
    if key is None:
        return None
    return component_name(key) or (key.removeprefix(f"{LOINC}|"))


def page_of(
    context: WebContext,
    tenant: Tenant,
    wanted: MeasurementsWanted,
    sort: str,
    limit: int,
    after: str | None,
) -> MeasurementPage:
    """A page of measurements."""
    some = context.store.measurements.page(
        tenant.name, wanted, limit + 1, after=time_of(after), descending=sort.startswith("-")
    )
    last = some[limit - 1] if len(some) > limit else None
    is_whole = after is None and last is None
    total = len(some) if is_whole else _count(context, tenant, wanted)
    return MeasurementPage(
        items=[shown(one) for one in some[:limit]],
        next=None if last is None else cursor_after(last.taken_at, last.id),
        total=total,
    )


def _count(context: WebContext, tenant: Tenant, wanted: MeasurementsWanted) -> int | None:
    """How many measurements a patient has; of those of a kind or time, nobody knows."""
    if wanted.patient is None or wanted != MeasurementsWanted(wanted.patient):
        return None
    return context.store.measurements.count(tenant.name, wanted.patient)


def _key_of(kind: MeasurementKind | None, code: str | None) -> str | None:
    """The key of a series."""
    if code is not None:
        return code if "|" in code else code_key(LOINC, code)
    return None if kind is None else f"kind {kind}"


@router.post(
    "/patients/{patient_id}/measurements",
    status_code=201,
    dependencies=[requires(Right.PERSONAL)],
)
def create_measurement(
    request: Request,
    context: Context,
    tenant: CurrentTenant,
    creation: CurrentCreation,
    patient_id: PatientId,
    body: NewMeasurement,
    response: Response,
) -> MeasurementData:
    """Add a measurement to a patient. Values are checked for plausible ranges and units, and stored
    as they are: nothing is converted."""
    found(context, tenant, patient_id)
    intend(request, measurement_id=creation.id)
    added = context.store.measurements.add(
        tenant.name, patient_id, creation.id, body, creation.fingerprint(body)
    )
    if added is None:
        raise not_found("patient")
    measurement, is_new = added
    creation.check(measurement.request, body)
    creation.answer(response, is_new=is_new)
    response.headers["Location"] = f"/api/v1/measurements/{measurement.id}"
    return shown(measurement)


@router.get("/patients/{patient_id}/measurements", dependencies=[requires(Right.PERSONAL)])
def list_patient_measurements(
    context: Context,
    tenant: CurrentTenant,
    patient_id: PatientId,
    kind: MeasurementKind | None = None,
    code: CodeParameter | None = None,
    since: Since = None,
    until: Until = None,
    sort: Sort = "-taken_at",
    limit: Limit = 50,
    after: After = None,
) -> MeasurementPage:
    """List the measurements of a patient, or only those of one kind or code. If both are given, the
    code counts."""
    found(context, tenant, patient_id)
    wanted = MeasurementsWanted(patient_id, _key_of(kind, code), since, until)
    return page_of(context, tenant, wanted, sort, limit, after)


@router.get("/patients/{patient_id}/trend", dependencies=[requires(Right.PERSONAL)])
def get_trend(
    context: Context,
    tenant: CurrentTenant,
    patient_id: PatientId,
    code: CodeParameter,
    since: Since = None,
    until: Until = None,
    points: Annotated[int, Query(ge=1, le=POINTS_MAX)] = 500,
) -> Trend:
    """The values of a code over time, such as 8310-5 (LOINC) or `system|code`. A series of more
    than `points` values is divided into as many equal spans of time, each with its lowest, mean and
    highest value. Each unit has a separate series: nothing is converted."""
    found(context, tenant, patient_id)
    key = _key_of(None, code) or ""
    part = None if key == code_key(LOINC, PANEL.code) else key
    wanted = MeasurementsWanted(patient_id, key, since, until)
    some = context.store.measurements.trend(tenant.name, wanted, part, points)
    order: dict[str | None, int] = {name: place for place, name in enumerate(COMPONENTS)}
    series = [
        TrendSeriesData(
            code=_short(one.code),
            unit=one.unit,
            count=one.count,
            bucketed=one.bucketed,
            points=[_point(point) for point in one.points],
        )
        for one in some
    ]
    series.sort(key=lambda one: (order.get(one.code, 0), one.unit))
    return Trend(patient_id=patient_id, code=code, series=series)


def _point(one: TrendPoint) -> TrendPointData:
    return TrendPointData(
        start=one.start,
        end=one.end,
        count=one.count,
        min=one.least,
        mean=rounded_mean(one.mean, one.least, one.greatest),
        max=one.greatest,
    )


@router.get("/measurements", dependencies=[requires(Right.PERSONAL)])
def list_measurements(
    context: Context,
    tenant: CurrentTenant,
    kind: MeasurementKind | None = None,
    code: CodeParameter | None = None,
    since: Since = None,
    until: Until = None,
    sort: Sort = "-taken_at",
    limit: Limit = 50,
    after: After = None,
) -> MeasurementPage:
    """List the measurements of all patients, or only those of one kind or code."""
    wanted = MeasurementsWanted(None, _key_of(kind, code), since, until)
    return page_of(context, tenant, wanted, sort, limit, after)


@router.get("/measurements/{measurement_id}", dependencies=[requires(Right.PERSONAL)])
def get_measurement(
    context: Context, tenant: CurrentTenant, measurement_id: MeasurementId
) -> MeasurementData:
    """Get a measurement."""
    measurement = context.store.measurements.get(tenant.name, measurement_id)
    if measurement is None:
        raise not_found("measurement")
    return shown(measurement)


@router.delete(
    "/measurements/{measurement_id}", status_code=204, dependencies=[requires(Right.PERSONAL)]
)
def delete_measurement(
    request: Request, context: Context, tenant: CurrentTenant, measurement_id: MeasurementId
) -> None:
    """Delete a measurement."""
    if context.store.measurements.get(tenant.name, measurement_id) is None:
        raise not_found("measurement")
    intend(request)
    if not context.store.measurements.delete(tenant.name, measurement_id):
        raise not_found("measurement")
