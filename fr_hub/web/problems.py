"""Errors as RFC 9457 problem details, in words that say what to do."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from common.domain.validation_errors import remedy
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import Log
from fr_hub.web.known_fields import SHOWN_MAX, known_fields
from fr_hub.web.models import Answer

MEDIA_TYPE = "application/problem+json"


class HasLog(Protocol):
    """The context of the application, as far as errors need it."""

    @property
    def log(self) -> Log:
        """Where errors are logged."""


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class FieldError(Answer):
    """What is wrong with one field of a request."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """The body of an error (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    detail: str
    """What to do."""
    code: str
    """For programs; it does not change with the wording."""
    errors: list[FieldError] | None = None


class Problem(Exception):
    """An error that the client is told.

    Args:
        status: HTTP status.
        code: for programs, such as ``not_found``.
        detail: what is wrong and what to do; it never repeats the input.
        headers: further headers of the answer.
        errors: what is wrong with single fields.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] = _NO_HEADERS,
        errors: list[FieldError] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.errors = errors

    def response(self) -> JSONResponse:
        """The answer."""
        body = ProblemDetails(
            type="about:blank",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            code=self.code,
            errors=self.errors,
        )
        return JSONResponse(
            body.model_dump(exclude_none=True),
            self.status,
            headers=dict(self.headers),
            media_type=MEDIA_TYPE,
        )


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with a problem, or close a WebSocket before it opens: 4000 and the
    status."""
    if scope["type"] == "http":
        await problem.response()(scope, receive, send)
        return
    message = await receive()
    if message["type"] == "websocket.connect":
        await send({"type": "websocket.close", "code": 4000 + problem.status})


def phrase_of(status: int) -> str:
    """An HTTP status in words."""
    try:
        return HTTPStatus(status).phrase.lower()
    except ValueError:
        return f"status {status}"


CHECK_THE_KEY = "check its key, <scan_id>@<pacs>"
"""Commands take the id of a scan alone, so people send it to the API, too."""


def not_found(what: str) -> Problem:
    """There is no such thing, or it belongs to another tenant: the answers are the same."""
    remedy = CHECK_THE_KEY if what == "scan" else "check its id"
    return Problem(404, "not_found", f"There is no such {what}; {remedy}.")


def _field_error(one: Mapping[str, Any], route: object) -> FieldError:
    where = one["loc"][1:]
    if one["type"] == "extra_forbidden":  # its name is the client's, and may be anything
        known = known_fields(route, where[:-1]) if one["loc"][0] == "body" else []
        message = "has an unknown field"
        if 0 < len(known) <= SHOWN_MAX:
            message += f"; known are {', '.join(known)}"
        return FieldError(field=".".join(map(str, where[:-1])), message=message)
    return FieldError(field=".".join(map(str, where)), message=remedy(one))


def handle_problems(
    app: FastAPI, methods_of: Callable[[str], Sequence[str]] = lambda _: ()
) -> None:
    """Make every error of this application a problem.

    Args:
        app: the application.
        methods_of: the methods that a path takes. Starlette knows those of the first route alone.
    """

    @app.exception_handler(Problem)
    def known(_: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        route = request.scope.get("route")
        errors = [_field_error(one, route) for one in error.errors()]
        detail = "The request is not valid; correct the fields in 'errors'."
        return Problem(422, "invalid", detail, errors=errors).response()

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        details = {
            404: "There is nothing at this address; see /api/v1/openapi.json.",
            408: "The body of the request did not arrive in time; send it again.",
            413: "The body of the request is too large; send less at a time.",
            405: "This address does not support this method; see the Allow header.",
        }
        detail = details.get(error.status_code, "The request cannot be answered.")
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = methods_of(request.url.path)
            headers |= {"Allow": ", ".join(allowed)} if allowed else {}
        return Problem(error.status_code, code, detail, headers).response()

    @app.exception_handler(StoreError)
    def store(request: Request, error: StoreError) -> JSONResponse:
        return store_problem(request.app.state.context, error).response()

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        return unexpected_problem(request.app.state.context, error).response()


def store_problem(context: HasLog, error: StoreError | TimeoutError) -> Problem:
    """The database did not do what a request needs."""
    if isinstance(error, StoreUnavailable | TimeoutError):
        detail = "The database cannot be reached; try again in a few seconds."
        return Problem(503, "store_unavailable", detail, {"Retry-After": "5"})
    context.log.error("the database refused a request", reason=str(error))
    detail = "The database refused the request; an administrator can find the reason in the log."
    return Problem(500, "store_error", detail)


def unexpected_problem(context: HasLog, error: Exception) -> Problem:
    """An error that nobody foresaw. Its text may quote personal data, so the log gets its type and
    its place in the code."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    at = f"{Path(place[0].filename).name}:{place[0].lineno}" if place else "unknown"
    context.log.error("a request failed", error=type(error).__name__, at=at)
    detail = "An unexpected error occurred; an administrator can find it in the log."
    return Problem(500, "unexpected", detail)
