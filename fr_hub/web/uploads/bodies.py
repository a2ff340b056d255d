"""Reads the bodies of requests: those with files as they come, small ones whole."""

import asyncio
from collections.abc import Callable

from fastapi import Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from common.domain.validation_errors import remedy
from fr_hub.web.problems import FieldError, Problem
from fr_hub.web.uploads.intake import MIB
from fr_hub.web.uploads.messages import UploadRequest
from fr_hub.web.uploads.multipart import BadForm

IDLE_S = 60.0
"""How long a client may send nothing in the middle of a body, seconds."""

_MANIFEST_MAX = 4 * MIB
_MANIFEST_S = 300.0
"""How long a client may take to send the list of files, seconds."""

_WRITE_BYTES = MIB


async def receive(request: Request, write: Callable[[bytes], None], *, whole: bool = False) -> None:
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
                raise _too_slow("send the rest over a new connection") from None
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


def _too_slow(remedy: str) -> Problem:
    detail = f"No bytes arrived for {IDLE_S:g} s, or too few: {remedy}."
    return Problem(408, "too_slow", detail, {"Connection": "close"})


async def small_body(request: Request) -> bytes:
    """The whole body of a request that describes an upload.

    Raises:
        Problem: it is too large, or comes too slowly.
        ClientDisconnect: nobody waits for an answer.
    """
    declared = content_length(request)
    body = bytearray()
    if declared is None or declared <= _MANIFEST_MAX:
        stream = request.stream()
        try:
            async with asyncio.timeout(_MANIFEST_S):
                while len(body) <= _MANIFEST_MAX:
                    async with asyncio.timeout(IDLE_S):
                        piece = await anext(stream, None)
                    if piece is None:
                        return bytes(body)
                    body += piece
        except TimeoutError:
            raise _too_slow("send the request again") from None
    raise Problem(
        413,
        "too_large",
        f"The list of files is larger than {_MANIFEST_MAX // MIB} MiB: upload fewer files at a "
        "time.",
    )


def parsed(body: bytes) -> UploadRequest:
    """The upload that a body describes.

    Raises:
        Problem: it describes none.
    """
    try:
        return UploadRequest.model_validate_json(body)
    except ValidationError as error:
        errors = [
            FieldError(field=".".join(map(str, one["loc"])), message=remedy(one))
            for one in error.errors()
        ]
        detail = "The request is not valid; correct the fields in 'errors'."
        raise Problem(422, "invalid", detail, errors=errors[:20]) from None


def content_length(request: Request) -> int | None:
    """The declared bytes of a body; None without a declaration."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else None
