"""Deleting a patient: with all measurements, and with the scans, which are erased. It is confirmed
by the number of scans, so that nobody erases what they have not seen."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from common.domain.audit_events import Kind
from common.domain.tenant import Tenant
from common.domain.user import Principal, Right
from common.store.patients import PatientErasure
from fr_hub.web.access import CurrentTenant, CurrentUser, intend, requires
from fr_hub.web.context import Context, WebContext
from fr_hub.web.etags import IfMatch, changed, etag_of
from fr_hub.web.models import Answer
from fr_hub.web.problems import MEDIA_TYPE, Problem, ProblemDetails
from fr_hub.web.routes.patients import PatientId, found

router = APIRouter(prefix="/patients", tags=["patients"])

_KEYS_SHOWN = 100


class Deletion(Answer):
    """What was deleted, or would be."""

    id: str
    measurements: int
    scans: int
    keys: list[str] = Field(description=f"of the scans, the first {_KEYS_SHOWN}")


class ConfirmationDetails(ProblemDetails):
    """A deletion that needs a confirmation."""

    would_delete: Deletion


class _ConfirmationNeeded(Problem):
    def __init__(self, would: Deletion) -> None:
        super().__init__(
            409,
            "confirmation_needed",
            "This deletes all that 'would_delete' names, for good. If that is what you want, "
            f"repeat it with confirm={would.scans}, the number of scans that would be erased.",
        )
        self.would = would

    def response(self) -> JSONResponse:
        body = ConfirmationDetails(
            type="about:blank",
            title="Conflict",
            status=self.status,
            detail=self.detail,
            code=self.code,
            would_delete=self.would,
        )
        return JSONResponse(body.model_dump(exclude_none=True), self.status, media_type=MEDIA_TYPE)


Confirm = Annotated[
    int | None, Query(ge=0, description="number of scans that the deletion erases, as confirmation")
]


def delete(
    request: Request,
    context: WebContext,
    principal: Principal,
    tenant: Tenant,
    patient_id: str,
    confirm: int | None,
    if_match: IfMatch,
) -> Deletion:
    """Delete a patient with all measurements, and erase the scans, once the audit trail has that.

    Raises:
        Problem: 409, it is not confirmed, or another patient has one of the pseudonyms.
    """
    store = context.store
    if (begun := store.patients.erasure_of(tenant.name, patient_id)) is not None:
        intend(request)
        return complete(context, begun)
    patient = found(context, tenant, patient_id)
    if_match.check(etag_of(patient.version))
    keys = store.patient_scans.keys(tenant, patient.pseudonyms)
    if keys and Right.OPERATE not in principal.rights:
        raise Problem(
            403,
            "forbidden",
            f"This patient has scans, and erasing them needs the right '{Right.OPERATE}'; ask an "
            "operator, or remove the pseudonyms from the patient first.",
        )
    would = Deletion(
        id=patient.id,
        measurements=store.measurements.count(tenant.name, patient.id),
        scans=len(keys),
        keys=keys[:_KEYS_SHOWN],
    )
    if confirm != len(keys):
        raise _ConfirmationNeeded(would)
    if keys and store.patients.shared(tenant.name, patient):
        raise Problem(
            409,
            "pseudonym_in_use",
            "Another patient has one of these pseudonyms, so the scans may belong to that "
            "patient; remove the pseudonym from one of the two first.",
        )
    # Scans that arrive from now on without a confirmation stay.
    erases = patient.pseudonyms if keys else ()
    intend(request)
    if not store.patients.begin_erasure(tenant.name, patient, erases, principal.user):
        raise changed()
    store.erasure.erase(keys, by=principal.user)
    begun = PatientErasure(tenant.name, patient.id, (), principal.user)
    would.measurements = store.patients.complete_erasure(begun)
    return would


def complete(context: WebContext, begun: PatientErasure) -> Deletion:
    """Complete the deletion of a patient that was interrupted."""
    store = context.store
    tenant = context.tenants.get(begun.tenant)
    keys = [] if tenant is None else store.patient_scans.keys(tenant, begun.pseudonyms)
    if keys:
        store.erasure.erase(keys, by=begun.by)
    measurements = store.patients.complete_erasure(begun)
    return Deletion(
        id=begun.patient, measurements=measurements, scans=len(keys), keys=keys[:_KEYS_SHOWN]
    )


def complete_all(context: WebContext) -> None:
    """Complete all deletions that were interrupted, such as by a kill.

    Raises:
        StoreError: MongoDB does not answer.
    """
    for begun in context.store.patients.erasures():
        complete(context, begun)
        context.audit.note(
            Kind.DELETE,
            outcome="done",
            cause="the deletion was interrupted, and completed at the next start",
            by=begun.by,
            tenant=begun.tenant,
            patient_id=begun.patient,
        )


@router.delete(
    "/{patient_id}",
    dependencies=[requires(Right.PERSONAL)],
    responses={409: {"model": ConfirmationDetails, "description": "Not confirmed"}},
)
def delete_patient(
    request: Request,
    context: Context,
    principal: CurrentUser,
    tenant: CurrentTenant,
    if_match: IfMatch,
    patient_id: PatientId,
    confirm: Confirm = None,
) -> Deletion:
    """Delete a patient with all measurements, and erase the scans of all pseudonyms. If `confirm`
    is missing, or is not the number of scans, the answer lists what would be deleted. Erasing
    scans needs the right 'operate'."""
    return delete(request, context, principal, tenant, patient_id, confirm, if_match)
