"""The paths of Painkiller, an API of patients and measurements, for programs that were written for
it. They do what the routes beside them do, with credentials."""

from collections.abc import Callable, Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from common.domain.measurement import NewMeasurement
from common.domain.patient import NewPatient
from common.domain.user import Right
from common.store.measurements import MeasurementsWanted
from fr_hub.web.access import CurrentTenant, CurrentUser, requires
from fr_hub.web.context import Context
from fr_hub.web.etags import IfMatch, IfNoneMatch
from fr_hub.web.idempotency import CurrentCreation
from fr_hub.web.models import Answer
from fr_hub.web.openapi import ETAG, NOT_MODIFIED
from fr_hub.web.routes import measurements, patient_deletion, patients
from fr_hub.web.routes.measurements import MeasurementData, MeasurementId
from fr_hub.web.routes.patient_deletion import Confirm, Deletion
from fr_hub.web.routes.patients import PatientData, PatientId

router = APIRouter(
    tags=["painkiller"], generate_unique_id_function=lambda route: f"painkiller_{route.name}"
)

_PAGE = 500


class Deleted(Answer):
    """A measurement that was deleted."""

    id: str


def _array(pages: Callable[[str | None], tuple[list[BaseModel], str | None]]) -> Response:
    """All items as one JSON array, of which a page is in memory at a time. What fails before the
    first page is a problem; what fails later breaks the connection off."""
    first = pages(None)

    def pieces() -> Iterator[str]:
        items, after = first
        start = "["
        while True:
            for item in items:
                yield start + item.model_dump_json()
                start = ","
            if after is None:
                break
            items, after = pages(after)
        yield "[]" if start == "[" else "]"

    return StreamingResponse(pieces(), media_type="application/json")


@router.post("/patient", status_code=201, dependencies=[requires(Right.PERSONAL)])
def create(
    request: Request,
    context: Context,
    tenant: CurrentTenant,
    creation: CurrentCreation,
    body: NewPatient,
    response: Response,
) -> PatientData:
    """As POST /patients."""
    return patients.create_patient(request, context, tenant, creation, body, response)


@router.get(
    "/patient/{patient_id}",
    dependencies=[requires(Right.PERSONAL)],
    response_model=PatientData,
    responses={200: {"headers": ETAG}, 304: NOT_MODIFIED},
)
def get(
    context: Context,
    tenant: CurrentTenant,
    if_none_match: IfNoneMatch,
    patient_id: PatientId,
    response: Response,
) -> object:
    """As GET /patients/{patient_id}."""
    return patients.get_patient(context, tenant, if_none_match, patient_id, response)


@router.post(
    "/patient/list", dependencies=[requires(Right.PERSONAL)], response_model=list[PatientData]
)
def list_all(context: Context, tenant: CurrentTenant) -> Response:
    """All patients, in the order of their creation. GET /patients has pages."""

    def pages(after: str | None) -> tuple[list[BaseModel], str | None]:
        page = patients.page_of(context, tenant, "created_at", _PAGE, after)
        return list(page.items), page.next

    return _array(pages)


@router.post("/patient/delete/{patient_id}", dependencies=[requires(Right.PERSONAL)])
def delete(
    request: Request,
    context: Context,
    principal: CurrentUser,
    tenant: CurrentTenant,
    if_match: IfMatch,
    patient_id: PatientId,
    confirm: Confirm = None,
) -> Deletion:
    """As DELETE /patients/{patient_id}; a patient without scans is deleted without `confirm`."""
    return patient_deletion.delete(
        request, context, principal, tenant, patient_id, confirm or 0, if_match
    )


@router.post(
    "/patient/{patient_id}/measurements",
    status_code=201,
    dependencies=[requires(Right.PERSONAL)],
)
def measure(
    request: Request,
    context: Context,
    tenant: CurrentTenant,
    creation: CurrentCreation,
    patient_id: PatientId,
    body: NewMeasurement,
    response: Response,
) -> MeasurementData:
    """As POST /patients/{patient_id}/measurements."""
    return measurements.create_measurement(
        request, context, tenant, creation, patient_id, body, response
    )


@router.post(
    "/measurements/list",
    dependencies=[requires(Right.PERSONAL)],
    response_model=list[MeasurementData],
)
def list_measurements(context: Context, tenant: CurrentTenant) -> Response:
    """All measurements, in the order of their times. GET /measurements has pages."""

    def pages(after: str | None) -> tuple[list[BaseModel], str | None]:
        wanted = MeasurementsWanted()
        page = measurements.page_of(context, tenant, wanted, "taken_at", _PAGE, after)
        return list(page.items), page.next

    return _array(pages)


@router.post("/measurements/delete/{measurement_id}", dependencies=[requires(Right.PERSONAL)])
def delete_measurement(
    request: Request, context: Context, tenant: CurrentTenant, measurement_id: MeasurementId
) -> Deleted:
    """As DELETE /measurements/{measurement_id}."""
    measurements.delete_measurement(request, context, tenant, measurement_id)
    return Deleted(id=measurement_id)
