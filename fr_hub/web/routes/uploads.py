"""Uploads: files that come in pieces and can be resumed, or in one form.

Who it is, the right, the size and the shares are checked before the first byte of a file is read.
An upload belongs to the instance named in its id: the address of another one's, or of another
user's, answers as if it did not exist, and the client starts again.
"""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, HTTPConnection

from common.domain.user import Right
from common.domain.validation_errors import remedy
from common.errors import SettingsError
from fr_hub.web.access import CurrentTenant, CurrentUser, requires
from fr_hub.web.context import WebContext
from fr_hub.web.problems import FieldError, Problem
from fr_hub.web.uploads.desk import TooLarge, UploadDesk, UploadEnded
from fr_hub.web.uploads.intake import MIB, Full
from fr_hub.web.uploads.multipart import FILES_MAX, BadForm, FormFiles
from fr_hub.web.uploads.names import NAME_MAX
from fr_hub.web.uploads.reservations import NoSpace
from fr_hub.web.uploads.results import FileResult, Outcome
from fr_hub.web.uploads.upload import Owner, TooMuch, Upload, WrongOffset

CHUNK_BYTES = 8 * MIB
"""How much a client should send in one request: what a lost connection costs at most."""

IDLE_S = 60.0
"""How long a client may send nothing in the middle of a body, seconds."""

_MANIFEST_MAX = 4 * MIB
_WRITE_BYTES = MIB
_FORM_BYTES_A_FILE, _FORM_FILES = 4096, 100
"""A form may have as many files as it has such pieces, and some more."""
_RETRY_S = 30
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

_TUS = {"Cache-Control": "no-store"}


class UploadFile(BaseModel):
    """A file of an upload."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=NAME_MAX)]
    """With its folders, separated by slashes, as a browser has it. It is not stored."""
    size: Annotated[int, Field(ge=0, le=2**50)]
    """Bytes."""


class UploadRequest(BaseModel):
    """What is to come. Either ``size`` and perhaps ``name`` of one file, or ``files``, whose bytes
    then come one after the other: all files of a series belong into one upload."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=NAME_MAX)] | None = None
    size: Annotated[int, Field(ge=0, le=2**50)] | None = None
    files: Annotated[list[UploadFile], Field(min_length=1, max_length=FILES_MAX)] | None = None
    volumes: Literal["default", "all"] = "default"
    """``all``: localizers, diffusion and all other volumes of DICOM series, too."""

    @model_validator(mode="after")
    def _agree(self) -> "UploadRequest":
        if (self.size is None) == (self.files is None):
            raise ValueError("give either size, of one file, or files")
        if self.files is not None and self.name is not None:
            raise ValueError("name the files in files")
        return self

    def declared(self) -> list[tuple[str, int]]:
        """The files by name and size."""
        if self.files is not None:
            return [(one.name, one.size) for one in self.files]
        return [(self.name or "", self.size or 0)]


class UploadState(BaseModel):
    """An upload, and how much of it has come."""

    id: str
    url: str
    """Send the bytes there with PATCH."""
    size: int
    offset: int
    chunk_bytes: int
    """How much to send in one request."""
    expires_at: datetime


class FileOutcome(BaseModel):
    """What became of a file: ``stored`` as scans, ``known`` (the same image was stored before),
    ``skipped`` because it is no scan, or ``refused``."""

    name: str
    outcome: Outcome
    kind: str | None = None
    """Of what is skipped."""
    reason: str | None = None
    scans: list[str]
    """Keys of the scans that were made of it."""


class FinishedUpload(BaseModel):
    """What became of each file. All of it is durable."""

    files: list[FileOutcome]


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references, which would not lead anywhere in the OpenAPI document. Its body
    is read by the route, after the right was checked, so FastAPI does not know it."""
    parts = schema.pop("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return resolved(parts[str(value["$ref"]).rpartition("/")[2]])
        return {name: resolved(one) for name, one in value.items()}

    return {name: resolved(value) for name, value in schema.items()}


def desk_of(connection: HTTPConnection) -> UploadDesk:
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


def _owner(user: CurrentUser, tenant: CurrentTenant) -> Owner:
    return Owner(tenant.name, user.user)


CurrentOwner = Annotated[Owner, Depends(_owner)]


def _found(upload_id: str, owner: CurrentOwner, desk: Desk) -> Upload:
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
                "application/json": {"schema": _inlined(UploadRequest.model_json_schema())},
            },
        }
    },
)
async def begin_upload(
    request: Request, response: Response, owner: CurrentOwner, desk: Desk
) -> UploadState:
    """Begin an upload; the answer says where to send its bytes."""
    wanted = _parsed(await _small_body(request))
    all_volumes = wanted.volumes == "all"
    with _refusals(desk):
        upload = await run_in_threadpool(
            desk.begin, owner, wanted.declared(), all_volumes=all_volumes
        )
    url = f"{request.url.path.rstrip('/')}/{upload.id}"
    response.headers["Location"] = url
    response.headers["Upload-Offset"] = "0"
    return _state(upload, desk, url)


@router.head("/uploads/{upload_id}", dependencies=[requires(Right.UPLOAD)])
def read_offset(upload: CurrentUpload) -> Response:
    """How much of an upload has come, in the header ``Upload-Offset``: resume there."""
    length = {"Upload-Length": str(upload.size)}
    return Response(headers={**_TUS, **length, "Upload-Offset": str(upload.offset)})


@router.get("/uploads/{upload_id}", dependencies=[requires(Right.UPLOAD)])
def read_upload(request: Request, upload: CurrentUpload, desk: Desk) -> UploadState:
    """An upload, and how much of it has come."""
    return _state(upload, desk, request.url.path)


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    dependencies=[requires(Right.UPLOAD)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/offset+octet-stream": {"schema": {"type": "string"}},
            },
        }
    },
)
async def send_bytes(
    request: Request,
    upload: CurrentUpload,
    desk: Desk,
    upload_offset: Annotated[int, Header(ge=0, description="where these bytes begin")],
) -> Response:
    """Send the bytes from ``Upload-Offset`` on, any number of them. If the connection is lost, what
    came is kept: ask for the offset with HEAD and go on there."""
    if upload_offset != upload.offset:
        raise _wrong_offset(upload.offset)
    declared = _content_length(request)
    if declared is not None and upload_offset + declared > upload.size:
        raise _too_much(upload)
    turn, offset = upload.take_turn(), upload_offset

    def write(data: bytes) -> None:
        nonlocal offset
        upload.write(offset, data, turn)
        offset += len(data)

    try:
        with _refusals(desk):
            await _receive(request, write)
    except WrongOffset as error:
        raise _wrong_offset(error.offset) from None
    except TooMuch:
        raise _too_much(upload) from None
    return Response(status_code=204, headers={**_TUS, "Upload-Offset": str(upload.offset)})


@router.post("/uploads/{upload_id}/finish", status_code=201, dependencies=[requires(Right.UPLOAD)])
async def finish_upload(upload: CurrentUpload, desk: Desk) -> FinishedUpload:
    """Store the scans in the files. Answers when they are durable, and may be repeated: the same
    image is the same scan."""
    if upload.offset < upload.size:
        raise Problem(
            409,
            "upload_incomplete",
            "Not all bytes have come: send the rest from Upload-Offset on.",
            {"Upload-Offset": str(upload.offset)},
        )
    return await _finished(upload, desk)


@router.delete("/uploads/{upload_id}", status_code=204, dependencies=[requires(Right.UPLOAD)])
def cancel_upload(upload: CurrentUpload, desk: Desk) -> Response:
    """Cancel an upload, and delete its files."""
    if not desk.end(upload):
        raise Problem(
            409, "upload_storing", "Its scans are being stored: wait for the answer of finish."
        )
    return Response(status_code=204)


@router.post(
    "/scans",
    status_code=201,
    dependencies=[requires(Right.UPLOAD)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "file": {
                                "type": "array",
                                "items": {"type": "string", "format": "binary"},
                            }
                        },
                    }
                }
            },
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
    the scans in them."""
    declared = _content_length(request)
    if declared is None:
        raise Problem(411, "length_required", "Send the Content-Length of the form.")
    form = _form_of(request)
    with _refusals(desk):
        most = min(FILES_MAX, declared // _FORM_BYTES_A_FILE + _FORM_FILES)
        upload = await run_in_threadpool(desk.reserve, owner, declared, most)
    upload.all_volumes = volumes == "all"
    try:
        with _refusals(desk):
            files = form(upload)
            await _receive(request, files.write, whole=True)
            files.end()
        return await _finished(upload, desk)
    except BadForm as error:
        raise Problem(400, "bad_form", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    finally:
        await run_in_threadpool(desk.end, upload)


def _form_of(request: Request) -> Callable[[Upload], FormFiles]:
    content_type = request.headers.get("content-type", "")

    def make(upload: Upload) -> FormFiles:
        def begin(name: str) -> None:
            upload.add_file(name[-NAME_MAX:], 0)

        def data(piece: bytes) -> None:
            upload.extend_last(len(piece))
            upload.write(upload.offset, piece)

        return FormFiles(content_type, begin, data, upload.reserved_files)

    return make


async def _finished(upload: Upload, desk: UploadDesk) -> FinishedUpload:
    with _refusals(desk):
        try:
            results = await asyncio.wrap_future(desk.finish(upload))
        except UploadEnded:
            raise Problem(
                404, "upload_unknown", "The upload was cancelled: start it again."
            ) from None
    return FinishedUpload(files=[_outcome(one) for one in results])


def _outcome(result: FileResult) -> FileOutcome:
    return FileOutcome(
        name=result.name,
        outcome=result.outcome,
        kind=result.kind,
        reason=result.reason,
        scans=list(result.scans),
    )


# --- bodies ------------------------------------------------------------------------------------


async def _receive(
    request: Request, write: Callable[[bytes], None], *, whole: bool = False
) -> None:
    """Write the body as it comes, in pieces of about ``_WRITE_BYTES``; what came before the
    connection was lost, too, unless only the ``whole`` is of use."""
    stream = request.stream()
    waiting = bytearray()
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                piece = await anext(stream, None)
        except (ClientDisconnect, TimeoutError) as error:
            if not whole and waiting:
                await run_in_threadpool(write, bytes(waiting))
            if isinstance(error, TimeoutError):
                raise Problem(
                    408,
                    "too_slow",
                    f"Nothing came for {IDLE_S:g} s: send the rest over a new connection.",
                    {"Connection": "close"},
                ) from None
            if whole:
                raise BadForm("the connection was lost: send the form again") from None
            return
        if piece is None:
            break
        waiting += piece
        if len(waiting) >= _WRITE_BYTES:
            await run_in_threadpool(write, bytes(waiting))
            waiting.clear()
    if waiting:
        await run_in_threadpool(write, bytes(waiting))


async def _small_body(request: Request) -> bytes:
    """The whole body of a request that describes an upload."""
    declared = _content_length(request)
    body = bytearray()
    if declared is None or declared <= _MANIFEST_MAX:
        with contextlib.suppress(ClientDisconnect):
            async for piece in request.stream():
                body += piece
                if len(body) > _MANIFEST_MAX:
                    break
            else:
                return bytes(body)
    raise Problem(
        413,
        "too_large",
        f"The list of files may have {_MANIFEST_MAX // MIB} MiB: upload fewer files at a time.",
    )


def _parsed(body: bytes) -> UploadRequest:
    try:
        return UploadRequest.model_validate_json(body)
    except ValidationError as error:
        errors = [
            FieldError(field=".".join(map(str, one["loc"])), message=remedy(one))
            for one in error.errors()
        ]
        detail = "The request is not valid; correct the fields in 'errors'."
        raise Problem(422, "invalid", detail, errors=errors[:20]) from None


def _content_length(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else None


# --- what is refused ---------------------------------------------------------------------------


@contextlib.contextmanager
def _refusals(desk: UploadDesk) -> Iterator[None]:
    """What keeps an upload from being taken, as problems."""
    retry = {"Retry-After": str(_RETRY_S)}
    try:
        yield
    except TooLarge:
        most = f"An upload may have {desk.limit // MIB} MiB (WEB_UPLOAD_LIMIT_MIB)"
        detail = f"{most}: send fewer files at a time."
        raise Problem(413, "too_large", detail) from None
    except NoSpace as error:
        detail = f"Finish or cancel other uploads first: {error}."
        raise Problem(429, "too_many_uploads", detail, retry) from None
    except Full as error:
        detail = f"No scans are taken for now: {error}. Try again later."
        raise Problem(503, "busy", detail, {"Retry-After": str(error.retry_s)}) from None
    except SettingsError as error:
        # Without a traceback: the text says what to do.
        desk.log.error("uploads cannot be stored", reason=str(error))  # noqa: TRY400
        detail = "The server is not set up for uploads; its log tells an administrator why."
        raise Problem(503, "not_configured", detail) from None
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        detail = "The server's disk is full; an administrator must make room. Try again later."
        raise Problem(503, "disk_full", detail, retry) from None


def _wrong_offset(offset: int) -> Problem:
    detail = "These bytes do not follow those that have come: go on from Upload-Offset."
    return Problem(409, "wrong_offset", detail, {"Upload-Offset": str(offset)})


def _too_much(upload: Upload) -> Problem:
    return Problem(
        413,
        "too_large",
        f"More bytes than the {upload.size} that were declared: begin an upload of the right size.",
    )
