"""Patients: personal data, for users who have the right to see it. No address holds any of it, so a
search by name or identifier has a body."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field

from common.domain.patient import NewPatient, PatientChanges, PatientIdentifier, Sex, age_on
from common.domain.personal_text import Line, name_key
from common.domain.tenant import Tenant
from common.domain.types import utc_now
from common.domain.user import Right
from common.store.patient_documents import Patient
from common.store.patients import PatientOrder, Search
from common.store.pseudonym_claims import PseudonymInUse
from fr_hub.web.access import CurrentTenant, intend, requires
from fr_hub.web.context import Context, WebContext
from fr_hub.web.etags import IfMatch, IfNoneMatch, changed, etag_of
from fr_hub.web.idempotency import CurrentCreation
from fr_hub.web.models import Answer, Body, KnownState, ListAnswer, known_state
from fr_hub.web.openapi import ETAG, LOCATION, NOT_MODIFIED
from fr_hub.web.ordered_cursors import CURSOR_LONGEST, cursor_after, place_of, time_of
from fr_hub.web.problems import Problem, not_found

router = APIRouter(prefix="/patients", tags=["patients"])

LIMIT_MAX = 500

PatientId = Annotated[str, Path(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
After = Annotated[
    str | None, Query(max_length=CURSOR_LONGEST, description="`next` of the previous page")
]


class PatientData(Answer):
    """A patient."""

    id: str
    name: str
    birth_date: date | None
    age: int | None = Field(description="whole years: today, or on age_as_of if that is given")
    age_as_of: date | None
    sex: Sex
    conditions: tuple[str, ...]
    identifiers: tuple[PatientIdentifier, ...]
    pseudonyms: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class PatientPage(ListAnswer):
    """A page of patients."""

    items: list[PatientData]


class PatientSearch(Body):
    """What to search for; fields that are left out match every patient."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "ada", "limit": 20}]})

    name: Line | None = Field(
        default=None,
        description="beginnings of words of the name, in any order; case and accents do not "
        "matter",
    )
    identifier: Line | None = Field(default=None, description="the whole value of an identifier")
    pseudonym: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    sort: Literal["name", "-name", "created_at", "-created_at"] = "name"
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 50
    after: Annotated[str, Field(max_length=CURSOR_LONGEST)] | None = None


class PatientScanData(Answer):
    """A scan of a patient."""

    key: str
    state: KnownState
    received_at: datetime
    subject: str | None
    scan_type: str | None
    modality: str | None


class PatientScanPage(ListAnswer):
    """A page of scans, the newest first."""

    items: list[PatientScanData]


def shown(patient: Patient) -> PatientData:
    """What the API answers about a patient."""
    born, age = patient.birth_date, patient.age
    return PatientData(
        id=patient.id,
        name=patient.name,
        birth_date=born,
        age=age if born is None else age_on(born, utc_now().date()),
        age_as_of=patient.age_as_of,
        sex=patient.sex,
        conditions=patient.conditions,
        identifiers=patient.identifiers,
        pseudonyms=patient.pseudonyms,
        created_at=patient.created_at,
        updated_at=patient.updated_at,
    )


def found(context: WebContext, tenant: Tenant, patient_id: str) -> Patient:
    """The patient of this id.

    Raises:
        Problem: 404, the tenant has none.
    """
    patient = context.store.patients.get(tenant.name, patient_id)
    if patient is None:
        raise not_found("patient")
    return patient


def page_of(
    context: WebContext,
    tenant: Tenant,
    sort: str,
    limit: int,
    after: str | None,
    search: Search | None = None,
) -> PatientPage:
    """A page of patients in the order ``sort``, such as ``-name``."""
    order = PatientOrder(sort.removeprefix("-"))
    place = place_of(after) if order is PatientOrder.NAME else time_of(after)
    some = context.store.patients.page(
        tenant.name,
        order,
        limit + 1,
        search=search,
        after=place,
        descending=sort.startswith("-"),
    )
    last = some[limit - 1] if len(some) > limit else None
    total: int | None = len(some)
    if after is not None or last is not None:
        is_all = search in (None, Search())
        total = context.store.patients.count(tenant.name) if is_all else None
    by = None if last is None else order_value(last, order)
    return PatientPage(
        items=[shown(one) for one in some[:limit]],
        next=None if last is None or by is None else cursor_after(by, last.id),
        total=total,
    )


def order_value(patient: Patient, order: PatientOrder) -> str | datetime:
    """What a list is ordered by."""
    return name_key(patient.name) if order is PatientOrder.NAME else patient.created_at


def pseudonym_in_use() -> Problem:
    """Another patient has a pseudonym."""
    return Problem(
        409,
        "pseudonym_in_use",
        "Another patient has one of these pseudonyms, but a scan belongs to only one patient. "
        "Find that patient with POST /api/v1/patients/search, and remove the pseudonym there "
        "first.",
    )


@router.post(
    "",
    status_code=201,
    dependencies=[requires(Right.PERSONAL)],
    responses={201: {"headers": ETAG | LOCATION}},
)
def create_patient(
    request: Request,
    context: Context,
    tenant: CurrentTenant,
    creation: CurrentCreation,
    body: NewPatient,
    response: Response,
) -> PatientData:
    """Create a patient."""
    intend(request, patient_id=creation.id)
    try:
        patient, is_new = context.store.patients.add(
            tenant.name, creation.id, body, creation.fingerprint(body)
        )
    except PseudonymInUse:
        raise pseudonym_in_use() from None
    creation.check(patient.request, body)
    creation.answer(response, is_new=is_new)
    response.headers["ETag"] = etag_of(patient.version)
    response.headers["Location"] = f"/api/v1/patients/{patient.id}"
    return shown(patient)


@router.get("", dependencies=[requires(Right.PERSONAL)])
def list_patients(
    context: Context,
    tenant: CurrentTenant,
    pseudonym: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    limit: Limit = 50,
    after: After = None,
) -> PatientPage:
    """List the patients. To search or sort by name, use POST /patients/search, because addresses
    end up in logs and histories."""
    search = None if pseudonym is None else Search(pseudonym=pseudonym)
    return page_of(context, tenant, sort, limit, after, search)


@router.post("/search", dependencies=[requires(Right.PERSONAL)])
def search_patients(context: Context, tenant: CurrentTenant, body: PatientSearch) -> PatientPage:
    """Search for patients by name, identifier or pseudonym."""
    search = Search(body.name, body.identifier, body.pseudonym)
    return page_of(context, tenant, body.sort, body.limit, body.after, search)


@router.get(
    "/{patient_id}",
    dependencies=[requires(Right.PERSONAL)],
    response_model=PatientData,
    responses={200: {"headers": ETAG}, 304: NOT_MODIFIED},
)
def get_patient(
    context: Context,
    tenant: CurrentTenant,
    if_none_match: IfNoneMatch,
    patient_id: PatientId,
    response: Response,
) -> Any:
    """Get a patient."""
    patient = found(context, tenant, patient_id)
    etag = etag_of(patient.version)
    if if_none_match.is_current(etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return shown(patient)


@router.patch(
    "/{patient_id}",
    dependencies=[requires(Right.PERSONAL)],
    responses={200: {"headers": ETAG}},
)
def change_patient(
    request: Request,
    context: Context,
    tenant: CurrentTenant,
    if_match: IfMatch,
    patient_id: PatientId,
    body: PatientChanges,
    response: Response,
) -> PatientData:
    """Change the fields of a patient that the body contains. A list is replaced as a whole. If the
    change is refused, no field changes."""
    patient = found(context, tenant, patient_id)
    if_match.required(etag_of(patient.version))
    intend(request)
    try:
        after = context.store.patients.change(tenant.name, patient, body)
    except PseudonymInUse:
        raise pseudonym_in_use() from None
    if after is None:
        raise changed()
    response.headers["ETag"] = etag_of(after.version)
    return shown(after)


@router.get("/{patient_id}/scans", dependencies=[requires(Right.PERSONAL)])
def list_patient_scans(
    context: Context,
    tenant: CurrentTenant,
    patient_id: PatientId,
    limit: Limit = 50,
    after: After = None,
) -> PatientScanPage:
    """List the scans of a patient, under all pseudonyms."""
    patient = found(context, tenant, patient_id)
    some = context.store.patient_scans.page(tenant, patient.pseudonyms, limit + 1, time_of(after))
    items = [
        PatientScanData(
            key=one.key,
            state=known_state(one.state),
            received_at=one.received_at,
            subject=one.subject,
            scan_type=one.scan_type,
            modality=one.modality,
        )
        for one in some[:limit]
    ]
    last = items[-1] if len(some) > limit else None
    return PatientScanPage(
        items=items, next=None if last is None else cursor_after(last.received_at, last.key)
    )
