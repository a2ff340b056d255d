"""Uploads: files that come in pieces and can be resumed, or in one form.

Who it is, the right, the size and the shares are checked before the first byte of a file is read.
An upload belongs to the instance named in its id: the address of another one's, or of another
user's, answers as if it did not exist, and the client starts again.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from common.domain.user import Right
from fr_hub.web.access import CurrentTenant, CurrentUser, requires
from fr_hub.web.context import WebContext
from fr_hub.web.openapi import FILES_FORM
from fr_hub.web.problems import FieldError, Problem
from fr_hub.web.uploads.at_once import finished, store_form
from fr_hub.web.uploads.bodies import content_length, parsed, receive, small_body
from fr_hub.web.uploads.desk import UploadDesk
from fr_hub.web.uploads.intake import MIB
from fr_hub.web.uploads.messages import (
    FinishedUpload,
    UploadState,
    answer_of,
)
from fr_hub.web.uploads.refusals import refusals, too_much, wrong_offset
from fr_hub.web.uploads.results import FileResult
from fr_hub.web.uploads.upload import Owner, TooMuch, Upload, WrongOffset

CHUNK_BYTES = 8 * MIB
"""How much a client should send in one request: what a lost connection costs at most."""

PIECE_TYPE = "application/offset+octet-stream"
"""The media type of a piece of an upload, in the OpenAPI document; any other is taken, too."""

_ERRORS_MAX = 100
"""Files whose reasons an answer without a scan gives."""

_TUS = {"Cache-Control": "no-store"}

_OFFSET = {
    "Upload-Offset": {
        "description": "Number of bytes that have arrived.",
        "schema": {"type": "string"},
    }
}


async def desk_of(connection: HTTPConnection) -> UploadDesk:
    """The desk of the application that serves this request."""
    desk: UploadDesk = connection.app.state.uploads
    return desk


Desk = Annotated[UploadDesk, Depends(desk_of)]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: WebContext = app.state.context
    if getattr(app.state, "uploads", None) is not None:  # an application that is started twice
        yield
        return
    app.state.uploads = desk = UploadDesk(
        context.settings, context.store, context.audit, context.log
    )
    try:
        yield
    finally:
        app.state.uploads = None
        await run_in_threadpool(desk.close)


router = APIRouter(tags=["uploads"], lifespan=_lifespan)


async def _owner(user: CurrentUser, tenant: CurrentTenant) -> Owner:
    return Owner(tenant.name, user.user)


CurrentOwner = Annotated[Owner, Depends(_owner)]


async def _found(upload_id: str, owner: CurrentOwner, desk: Desk) -> Upload:
    upload = desk.find(upload_id, owner)
    if upload is None:
        raise Problem(
            404,
            "upload_unknown",
            "There is no such upload here: it was cancelled, has expired, or its server was "
            "restarted. Start the upload again.",
        )
    return upload


CurrentUpload = Annotated[Upload, Depends(_found)]


def _state(upload: Upload, desk: UploadDesk, url: str) -> UploadState:
    return UploadState(
        id=upload.id,
        url=url,
        size=upload.size,
        offset=upload.offset,
        chunk_bytes=CHUNK_BYTES,
        expires_at=desk.expires_at(upload),
    )


@router.post(
    "/uploads",
    status_code=201,
    dependencies=[requires(Right.UPLOAD)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/UploadRequest"}},
            },
        }
    },
)
async def begin_upload(
    request: Request, response: Response, owner: CurrentOwner, desk: Desk
) -> UploadState:
    """Begin an upload; the answer says where to send its bytes."""
    wanted = parsed(await small_body(request))
    all_volumes = wanted.volumes == "all"
    with refusals(desk):
        upload = await run_in_threadpool(
            desk.begin, owner, wanted.declared(), all_volumes=all_volumes
        )
    url = f"{request.url.path.rstrip('/')}/{upload.id}"
    response.headers["Location"] = url
    response.headers["Upload-Offset"] = "0"
    return _state(upload, desk, url)


@router.head(
    "/uploads/{upload_id}",
    dependencies=[requires(Right.UPLOAD)],
    response_class=Response,
    responses={200: {"description": "Number of bytes that have arrived", "headers": _OFFSET}},
)
def read_offset(upload: CurrentUpload) -> Response:
    """Get the number of bytes that have arrived, in the header ``Upload-Offset``: continue from
    there."""
    length = {"Upload-Length": str(upload.size)}
    return Response(headers={**_TUS, **length, "Upload-Offset": str(upload.offset)})


@router.get("/uploads/{upload_id}", dependencies=[requires(Right.UPLOAD)])
def read_upload(request: Request, upload: CurrentUpload, desk: Desk) -> UploadState:
    """An upload and its progress."""
    return _state(upload, desk, request.url.path)


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    dependencies=[requires(Right.UPLOAD)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                PIECE_TYPE: {"schema": {"type": "string", "contentMediaType": PIECE_TYPE}},
            },
        }
    },
)
async def send_bytes(
    request: Request,
    upload: CurrentUpload,
    desk: Desk,
    upload_offset: Annotated[
        int, Header(ge=0, description="position of the first of these bytes in the upload")
    ],
) -> Response:
    """Send the next bytes, from ``Upload-Offset`` on. If the connection is lost, the bytes that
    have arrived are kept: get the new offset with HEAD, and continue from there."""
    if upload_offset != upload.offset:
        raise wrong_offset(upload.offset)
    declared = content_length(request)
    if declared is not None and upload_offset + declared > upload.size:
        raise too_much(upload)
    turn, offset = upload.take_turn(), upload_offset

    def write(data: bytes) -> None:
        nonlocal offset
        upload.write(offset, data, turn)
        offset += len(data)

    try:
        with refusals(desk):
            await receive(request, write)
    except WrongOffset as error:
        raise wrong_offset(error.offset) from None
    except TooMuch:
        raise too_much(upload) from None
    return Response(status_code=204, headers={**_TUS, "Upload-Offset": str(upload.offset)})


@router.post("/uploads/{upload_id}/finish", status_code=201, dependencies=[requires(Right.UPLOAD)])
async def finish_upload(upload: CurrentUpload, desk: Desk) -> FinishedUpload:
    """Store the scans in the files. The answer comes when they are durable. You can safely repeat
    the request: the same image is the same scan."""
    if upload.offset < upload.size:
        raise Problem(
            409,
            "upload_incomplete",
            "The upload is incomplete: send the remaining bytes, starting at Upload-Offset.",
            {"Upload-Offset": str(upload.offset)},
        )
    return answer_of(await finished(upload, desk))


@router.delete("/uploads/{upload_id}", status_code=204, dependencies=[requires(Right.UPLOAD)])
def cancel_upload(upload: CurrentUpload, desk: Desk) -> Response:
    """Cancel an upload, and delete its files."""
    if not desk.end(upload):
        raise Problem(
            409,
            "upload_storing",
            "The scans of this upload are being stored: wait for the answer to POST …/finish.",
        )
    return Response(status_code=204)


@router.post(
    "/scans",
    status_code=201,
    dependencies=[requires(Right.UPLOAD)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": FILES_FORM,
        }
    },
)
async def upload_scans(
    request: Request,
    owner: CurrentOwner,
    desk: Desk,
    volumes: Annotated[Literal["default", "all"], Query()] = "default",
) -> FinishedUpload:
    """Upload any number of files in one form, such as ``curl -F file=@a.nii.gz`` sends, and store
    the scans in them. If no file holds a scan that Fr can read, the answer is 422, so that ``curl
    --fail`` notices."""
    results = await store_form(request, desk, owner, all_volumes=volumes == "all")
    if not any(one.scans for one in results):
        raise _no_scan(results)
    return answer_of(results)


def _no_scan(results: Sequence[FileResult]) -> Problem:
    errors = [
        FieldError(field=one.name, message=one.reason or "it holds no scan")
        for one in results[:_ERRORS_MAX]
    ]
    detail = "No file holds a scan that Fr can read: 'errors' gives the reason for each file."
    return Problem(422, "no_scan", detail, errors=errors)
