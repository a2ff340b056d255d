"""Uploads whose files come in one request, as a form or as one body."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from fr_hub.web.problems import Problem
from fr_hub.web.uploads.bodies import content_length, receive
from fr_hub.web.uploads.desk import UploadDesk, UploadEnded
from fr_hub.web.uploads.multipart import FILES_MAX, BadForm, FormFiles
from fr_hub.web.uploads.names import NAME_MAX
from fr_hub.web.uploads.refusals import refusals, too_much
from fr_hub.web.uploads.results import FileResult
from fr_hub.web.uploads.upload import Owner, TooManyFiles, TooMuch, Upload

_FORM_BYTES_A_FILE, _FORM_FILES = 4096, 100
"""A form may have as many files as it has such pieces, and some more."""

_FORM_FOLDERS = 300
"""How many files and folders a form may have beside as many files as it may have."""


async def store_form(
    request: Request, desk: UploadDesk, owner: Owner, *, all_volumes: bool = False
) -> Sequence[FileResult]:
    """Store the scans in the files of a form.

    Raises:
        Problem: the body is no form, or is not taken.
    """
    content_type = request.headers.get("content-type", "")
    most = min(FILES_MAX, _declared(request) // _FORM_BYTES_A_FILE + _FORM_FILES)

    async def fill(upload: Upload) -> None:
        upload.all_volumes = all_volumes

        def begin(name: str) -> None:
            try:
                upload.add_file(name[-NAME_MAX:], 0)
            except TooManyFiles:
                raise BadForm(
                    f"more than {upload.reserved_entries:,} files and folders for its size: send "
                    "fewer at a time"
                ) from None

        def data(piece: bytes) -> None:
            upload.extend_last(len(piece))
            upload.write(upload.offset, piece)

        files = FormFiles(content_type, begin, data, most)
        await receive(request, files.write, whole=True)
        files.end()

    return await _store(request, desk, owner, most + _FORM_FOLDERS, fill)


async def store_body(
    request: Request, desk: UploadDesk, owner: Owner, name: str
) -> Sequence[FileResult]:
    """Store the scans in the body of a request, which is a file of this name.

    Raises:
        Problem: it is not taken.
    """
    declared = _declared(request)

    async def fill(upload: Upload) -> None:
        upload.add_file(name, declared)
        await receive(request, lambda data: upload.write(upload.offset, data), whole=True)

    return await _store(request, desk, owner, 1, fill)


def _declared(request: Request) -> int:
    declared = content_length(request)
    if declared is None:
        raise Problem(411, "length_required", "Send the Content-Length of the body.")
    return declared


async def _store(
    request: Request,
    desk: UploadDesk,
    owner: Owner,
    entries: int,
    fill: Callable[[Upload], Awaitable[None]],
) -> Sequence[FileResult]:
    with refusals(desk):
        upload = await run_in_threadpool(desk.reserve, owner, _declared(request), entries)
    try:
        with refusals(desk):
            await fill(upload)
        return await finished(upload, desk)
    except TooMuch:
        raise too_much(upload) from None
    except BadForm as error:
        raise Problem(400, "bad_form", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    finally:
        await run_in_threadpool(desk.end, upload)


async def finished(upload: Upload, desk: UploadDesk) -> Sequence[FileResult]:
    """Store the scans of a complete upload.

    Raises:
        Problem: they are not taken, or the upload has ended.
    """
    with refusals(desk):
        try:
            return await asyncio.wrap_future(desk.finish(upload))
        except UploadEnded:
            raise Problem(
                404, "upload_unknown", "The upload was cancelled: start it again."
            ) from None
