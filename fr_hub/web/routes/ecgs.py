"""ECGs that users send to their own accounts, and what was found in them. A user sees only their
own: an id of another user's ECG answers as one that does not exist."""

import time
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from common.domain.account import account_key
from common.domain.report import BrainReport
from common.domain.tenant import Tenant
from common.domain.user import Right
from common.store.scan_pages import Asked
from fr_hub.web.absences import GONE, gone
from fr_hub.web.access import (
    CurrentTenant,
    CurrentUser,
    may_wait,
    note_scans,
    requires,
    takes_files,
    user_token_too,
)
from fr_hub.web.context import Context, WebContext
from fr_hub.web.cursors import Cursor, Limit, cursor_at, not_a_cursor, place_of
from fr_hub.web.ecg_models import EcgData, EcgPage, Insights, StoredEcg
from fr_hub.web.openapi import FILES_FORM, LOCATION
from fr_hub.web.problems import Problem, not_found
from fr_hub.web.routes.uploads import Desk
from fr_hub.web.uploads.at_once import store_body, store_form
from fr_hub.web.uploads.results import FileResult
from fr_hub.web.uploads.upload import Owner

router = APIRouter(prefix="/ecgs", tags=["ecgs"])

ADDRESS = "/api/v1/ecgs"

RETRY_S = 1
WAIT_MAX_S = 300
_LOOK_S, _LOOK_SELDOM_S = 0.02, 0.5
"""How often a report is looked for at first, and later, seconds."""

_JSON_NAME = "signal.ecg.json"

SEED_ECG: dict[str, Any] = {
    "leads": [{"name": "I", "number_of_samples": 8, "signal": [1, 0, -1, 0, 1, 0, 0, 1]}]
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["leads"],
                    "properties": {
                        "leads": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name", "signal"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "number_of_samples": {"type": ["integer", "null"]},
                                    "signal": {
                                        "type": "array",
                                        "items": {"type": ["number", "null"]},
                                    },
                                },
                            },
                        },
                        "sampling_rate_hz": {"type": ["number", "null"]},
                        "units": {"type": "string"},
                        "start": {"type": ["string", "null"]},
                    },
                },
                "example": SEED_ECG,
            },
            **FILES_FORM,
        },
    }
}
"""What the routes that take ECGs take, for the OpenAPI document."""

SENDS = [requires(Right.ECGS), takes_files(), user_token_too()]
CREATED: dict[int | str, dict[str, Any]] = {201: {"headers": LOCATION}}

USES = [requires(Right.ECGS), user_token_too()]
WAITS = [*USES, may_wait()]

LATER: dict[int | str, dict[str, Any]] = {
    202: {
        "model": EcgData,
        "description": "The ECG is not analysed yet: ask again after `Retry-After`.",
    },
    409: {"description": "The analysis failed; `detail` gives the cause."},
    **GONE,
}
"""Other answers than insights, for the OpenAPI document."""

EcgId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,40}$", description="id of one of your ECGs")]
Wait = Annotated[
    float,
    Query(ge=0, le=WAIT_MAX_S, description="how long to wait for the analysis, seconds"),
]


async def _scope(tenant: CurrentTenant) -> Tenant:
    return tenant.of_accounts()


async def _account(user: CurrentUser) -> str:
    if not user.account:  # such as the token in ADMIN_TOKEN_FILE: it stands for no user
        raise Problem(403, "forbidden", "Only a user can have ECGs; sign in as a user.")
    return user.account


Account = Annotated[str, Depends(_account)]


async def _owner(user: CurrentUser, tenant: CurrentTenant, account: Account) -> Owner:
    return Owner(tenant.name, user.user, account)


AccountOwner = Annotated[Owner, Depends(_owner)]
AccountScope = Annotated[Tenant, Depends(_scope)]


async def _key(tenant: CurrentTenant, account: Account, ecg_id: EcgId) -> str:
    return account_key(tenant.name, account, ecg_id)


EcgKey = Annotated[str, Depends(_key)]
"""The type of a route's parameter that gets the key of the user's ECG in the path."""


@router.post(
    "",
    status_code=201,
    dependencies=SENDS,
    openapi_extra=BODY,
    responses=CREATED,
)
async def send_ecg(
    request: Request, response: Response, owner: AccountOwner, desk: Desk
) -> StoredEcg:
    """Send an ECG: as JSON, or the files of recordings in one form, such as
    ``curl -F file=@100.hea -F file=@100.dat`` sends. The answer comes when it is durable. You can
    safely repeat the request: the same recording has the same id."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        results = await store_form(request, desk, owner)
    elif kind == "application/json":
        results = await store_body(request, desk, owner, _JSON_NAME)
    else:
        raise Problem(
            415,
            "unsupported_media_type",
            "Send JSON (Content-Type: application/json), or files as multipart/form-data, as "
            "curl -F file=@record.edf does.",
        )
    stored = StoredEcg.of(list(results))
    if stored is None:
        raise Problem(422, "invalid", f"Fr cannot store this as an ECG: {_why(list(results))}.")
    note_scans(request, [key for one in results for key in one.scans])
    response.headers["Location"] = f"{ADDRESS}/{stored.id}"
    return stored


def _why(results: list[FileResult]) -> str:
    told = [one for one in results if one.reason]
    refused = [one for one in told if one.outcome == "refused"]
    reasons = [one.reason for one in refused or told if one.reason]
    return "; ".join(dict.fromkeys(reasons))[:500] or "there is no file"


@router.get("", dependencies=USES)
def list_ecgs(
    context: Context,
    scope: AccountScope,
    account: Account,
    limit: Limit = 50,
    after: Cursor = None,
) -> EcgPage:
    """List your ECGs, the newest first, except those that were erased, or removed by retention."""
    try:
        page = context.store.scan_pages.page(Asked(scope, account=account), limit, place_of(after))
    except ValueError:  # the place is of a list with another order
        raise not_a_cursor() from None
    return EcgPage(items=[EcgData.of(one) for one in page.scans], next=cursor_at(page.next))


@router.get("/{ecg_id}", dependencies=USES)
def get_ecg(context: Context, request: Request, scope: AccountScope, key: EcgKey) -> EcgData:
    """Get an ECG and the state of its analysis."""
    note_scans(request, [key])
    return _found(context, scope, key)


@router.delete("/{ecg_id}", status_code=204, dependencies=USES)
def erase_ecg(
    context: Context, request: Request, user: CurrentUser, scope: AccountScope, key: EcgKey
) -> Response:
    """Erase one of your ECGs with its report, in any state. This cannot be undone, and Fr refuses
    the same recording if you send it again. You can safely repeat the request."""
    note_scans(request, [key])
    if _found(context, scope, key).state != "erased":
        context.store.erasure.erase([key], by=user.user)
    return Response(status_code=204)


@router.get(
    "/{ecg_id}/insights",
    dependencies=WAITS,
    responses=LATER,
    response_model=Insights,
)
async def get_insights(
    context: Context,
    request: Request,
    scope: AccountScope,
    key: EcgKey,
    wait: Wait = 0,
) -> Response:
    """Get the results: the zero crossings of each lead, and all findings of the analyzer. As long
    as there is no report, the answer is 202 with the state."""
    found = await _awaited(context, request, scope, key, wait)
    note_scans(request, [key])
    if isinstance(found, BrainReport):
        return _json(200, Insights.of(key, found).model_dump_json())
    if found.state == "failed":
        raise Problem(409, "analysis_failed", f"The analysis failed: {found.cause}.")
    if (problem := gone(found.state, "ECG")) is not None:
        raise problem
    return _json(202, found.model_dump_json(), {"Retry-After": str(RETRY_S)})


async def _awaited(
    context: WebContext, request: Request, scope: Tenant, key: str, wait_s: float
) -> BrainReport | EcgData:
    """The report, or the state if there is none by then.

    Raises:
        ClientDisconnect: nobody waits for it any more.
    """
    until, pause = time.monotonic() + wait_s, _LOOK_S
    while True:
        report = await run_in_threadpool(context.store.report_reader.get, scope, key)
        if report is not None:
            return report
        ecg = await run_in_threadpool(_found, context, scope, key)
        left = until - time.monotonic()
        if left <= 0 or ecg.state not in ("waiting", "analysing", "done"):
            return ecg
        await anyio.sleep(min(pause, left))
        if await request.is_disconnected():
            raise ClientDisconnect
        pause = min(1.5 * pause, _LOOK_SELDOM_S)


def _found(context: WebContext, scope: Tenant, key: str) -> EcgData:
    found = context.store.scan_pages.these(scope, [key])
    if not found:
        raise not_found("ECG")
    return EcgData.of(found[0])


def _json(status: int, body: str, headers: dict[str, str] | None = None) -> Response:
    always = {"Cache-Control": "private, no-cache"}
    return Response(body, status, always | (headers or {}), media_type="application/json")
