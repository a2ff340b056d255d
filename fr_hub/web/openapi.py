"""The OpenAPI document: what FastAPI makes of the routes, and what only the route table knows.

It says who may call what, and which problems an answer may be. The types of clients are generated
from it, so each operation has a short, unique name, and no answer may be just anything.
"""

import json
import threading
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fr_hub.web.problems import MEDIA_TYPE
from fr_hub.web.route_table import KnownRoute, RouteTable

_SCHEMAS = "#/components/schemas/"
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}ProblemDetails"}}}
_USER: list[dict[str, list[str]]] = [{"session": []}, {"bearer": []}, {"basic": []}]

SECURITY_SCHEMES: dict[str, Any] = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-fr-session",
        "description": "The cookie of `POST /api/v1/session`; over plain HTTP on this machine "
        "`fr-session`. A change also needs the `csrf` of the session as `X-CSRF-Token`.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token, which `POST /api/v1/tokens` creates.",
    },
    "basic": {"type": "http", "scheme": "basic", "description": "Name and password of a user."},
    "admin_token": {
        "type": "apiKey",
        "in": "header",
        "name": "x-admin-token",
        "description": "The token in ADMIN_TOKEN_FILE.",
    },
    "user_token": {
        "type": "apiKey",
        "in": "header",
        "name": "x-user-token",
        "description": "The token of a user, as `bearer`.",
    },
}

_REQUEST_ID = {
    "X-Request-Id": {
        "description": "Id of the request, which its events in the audit trail have, too. Of a "
        "further part of a view, such as the samples of a recording, the id of the request whose "
        "event stands for it.",
        "schema": {"type": "string"},
    }
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "string"},
    }
}
ETAG: dict[str, Any] = {
    "ETag": {
        "description": "Identifies this version; send it as `If-Match` or `If-None-Match`.",
        "schema": {"type": "string"},
    },
}
LOCATION: dict[str, Any] = {
    "Location": {"description": "Path of the new item.", "schema": {"type": "string"}},
}
"""Headers of answers, for ``responses`` of a route."""

FILES_FORM: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
            },
        }
    }
}
"""A form with files, for the ``content`` of a request's body."""

NOT_MODIFIED: dict[str, Any] = {
    "description": "Not modified: the version that you have is still the current one.",
    "headers": ETAG,
}
"""For ``responses`` of a route that takes If-None-Match."""

_PROBLEMS = {
    401: "Not signed in: sign in, or send a valid token.",
    403: "The user does not have the right to do this.",
    404: "Not found: it does not exist, or belongs to another tenant.",
    422: "The request is not valid; `errors` names the fields.",
    429: "This user or address has too many requests under way: try again after `Retry-After`.",
    503: "The database cannot be reached, or Fr accepts no more scans at the moment: try "
    "again after `Retry-After`.",
}


def a_file(*kinds: str, **about: Any) -> dict[str, Any]:
    """An answer with content of these media types, for ``responses`` of a route."""
    content = {kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in kinds}
    return {"description": "The file", "content": content, **about}


def operation_id(route: APIRoute) -> str:
    """The name of an operation: that of its function."""
    return route.name


def document(app: FastAPI, table: RouteTable, messages: Iterable[type[BaseModel]]) -> None:
    """Make the application's OpenAPI document complete.

    Args:
        app: the application.
        table: its routes.
        messages: models that no route takes or answers, as FastAPI sees it, and that clients need
            nevertheless, such as those of bodies that a route reads piece by piece.
    """
    made = app.openapi
    known = {(one.template, one.method.lower()): one for one in table.routes}
    messages = tuple(messages)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        whole = made()
        whole["components"]["schemas"] |= _schemas_of(messages)
        whole["components"]["securitySchemes"] = SECURITY_SCHEMES
        for path, operations in whole["paths"].items():
            for method, operation in operations.items():
                _complete(operation, known[path, method])
        return whole

    app.openapi = openapi  # type: ignore[method-assign]


def serve_document(app: FastAPI, path: str) -> None:
    """Answer with the document at this path.

    Making it takes a second or two, so a thread does that, once: FastAPI's own route would hold up
    all other requests and streams meanwhile.
    """
    made: list[bytes] = []
    lock = threading.Lock()

    def openapi_json(_: Request) -> Response:
        with lock:
            if not made:
                made.append(json.dumps(app.openapi(), ensure_ascii=False).encode())
        return Response(made[0], media_type="application/json")

    app.add_route(path, openapi_json, include_in_schema=False)


def _schemas_of(messages: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    if not messages:
        return {}
    _, schema = models_json_schema(
        [(one, "serialization") for one in messages], ref_template=_SCHEMAS + "{model}"
    )
    found: dict[str, Any] = schema["$defs"]
    return found


def _complete(operation: dict[str, Any], route: KnownRoute) -> None:
    if route.access == "right":
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nNeeds the right `{route.right}`.".strip()
    operation["security"] = _security_of(route)
    answers = operation["responses"]
    for status in _statuses(operation, route):
        answers.setdefault(str(status), {"description": _PROBLEMS[status]})
    for status, answer in answers.items():
        headers = {} if route.kind is None else dict(_REQUEST_ID)
        if status == "default" or int(status) >= 400:
            is_special = "$ref" in str(answer.get("content", "")) and status != "default"
            schema = next(iter(answer["content"].values())) if is_special else None
            answer["content"] = _PROBLEM if schema is None else {MEDIA_TYPE: schema}
        if status in ("429", "503"):
            headers |= _RETRY_AFTER
        if headers:
            answer["headers"] = {**headers, **answer.get("headers", {})}


def _security_of(route: KnownRoute) -> list[dict[str, list[str]]]:
    if route.access == "anyone":
        return []
    found = list(_USER)
    if route.takes_admin_token:
        found.append({"admin_token": []})
    if route.takes_user_token:
        found.append({"user_token": []})
    return found


def _statuses(operation: dict[str, Any], route: KnownRoute) -> Iterable[int]:
    if route.access != "anyone":
        yield 401
        yield 403
    if "{" in route.template:
        yield 404
    if "requestBody" in operation or operation.get("parameters"):
        yield 422
    yield 429
    yield 503
