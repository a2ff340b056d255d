"""What each route asks for and how it is recorded, known before its function runs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import compile_path
from starlette.types import Scope

from common.domain.audit_events import Kind
from common.domain.user import Right

ROUTE = "fr.route"
"""The key of a request's ``KnownRoute`` in its scope."""

_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LIVE = "WEBSOCKET"

_API = ("/api/", "/v1/")
"""Paths below these need a route; all others are documents: the page and its files."""

Access = Literal["right", "user", "anyone"]


@dataclass(frozen=True, slots=True)
class KnownRoute:
    """A route for one method.

    Args:
        template: its path with the names of its parameters.
        access: who may use it.
        right: what they need, if ``access`` is 'right'.
        kind: the kind of its events in the audit trail; None: its requests are not recorded.
        takes_admin_token: whether the token in ADMIN_TOKEN_FILE opens it, too.
        takes_user_token: whether a user's token may also come as ``x-user-token``.
        takes_files: whether it reads its body itself.
        may_wait: whether its answer may take as long as an analysis.
        in_pieces: whether one view of what it has takes many requests.
        is_live: whether it answers with a stream that lasts.
    """

    method: str
    template: str
    pattern: re.Pattern[str]
    access: Access
    right: Right | None
    kind: Kind | None
    takes_admin_token: bool = False
    takes_user_token: bool = False
    takes_files: bool = False
    may_wait: bool = False
    in_pieces: bool = False
    is_live: bool = False

    @property
    def is_document(self) -> bool:
        """Whether it stands for what no route of the API answers: the page and its files."""
        return self is _DOCUMENT

    @property
    def name(self) -> str:
        """Method and template, as the audit trail names the route."""
        return f"{self.method} {self.template}"

    def parameters(self, path: str) -> dict[str, str]:
        """The parameters in a path of this route."""
        found = self.pattern.match(path)
        return {} if found is None else found.groupdict()


_DOCUMENT = KnownRoute("GET", "document", re.compile(""), "anyone", None, None)


class RouteTable:
    """All routes.

    Args:
        groups: prefixes and routers.
        documents: further paths that anyone may read, such as that of the OpenAPI document.
    """

    def __init__(
        self, groups: Iterable[tuple[str, APIRouter]], documents: Iterable[str] = ()
    ) -> None:
        self.routes = [
            one
            for prefix, router in groups
            for route in router.routes
            for one in _known(prefix, route)
        ]
        for path in documents:
            pattern = re.compile(re.escape(path) + "$")
            self.routes.append(KnownRoute("GET", path, pattern, "anyone", None, None))

    def find(self, scope: Scope) -> KnownRoute | None:
        """The route that a request is for; None: there is none of this path and method."""
        method = _LIVE if scope["type"] == "websocket" else scope["method"]
        for route in self.routes:
            if route.method == method and route.pattern.match(scope["path"]):
                return route
        is_document = method in ("GET", "HEAD") and not scope["path"].startswith(_API)
        return _DOCUMENT if is_document else None

    def methods_of(self, path: str) -> list[str]:
        """The methods that a path takes. If a route has just this path, the path is no id for the
        others."""
        found = [one for one in self.routes if one.method != _LIVE and one.pattern.match(path)]
        own = [one for one in found if one.template == path]
        return sorted({one.method for one in own or found})


def _known(prefix: str, route: object) -> Iterable[KnownRoute]:
    if not isinstance(route, APIWebSocketRoute | APIRoute):
        raise TypeError(f"{route!r} is not a route of the API: name its path in 'documents'")
    is_live = isinstance(route, APIWebSocketRoute)
    methods = (_LIVE,) if isinstance(route, APIWebSocketRoute) else sorted(route.methods or ())
    path = prefix + route.path
    marks: dict[str, Any] = {}
    for one in route.dependencies:
        marks |= vars(one.dependency) if callable(one.dependency) else {}
    access: Access | None = "right" if "right" in marks else marks.get("access")
    if access is None:
        raise TypeError(f"{path} does not say who may use it: add requires, signed_in or anyone")
    is_live = is_live or "live" in marks
    for method in methods:
        yield KnownRoute(
            method=method,
            template=path,
            pattern=compile_path(path)[0],
            access=access,
            right=marks.get("right"),
            kind=marks["kind"] if "kind" in marks else None if is_live else kind_of(method, path),
            takes_admin_token="takes_admin_token" in marks,
            takes_user_token="takes_user_token" in marks,
            takes_files="takes_files" in marks or marks.get("right") == Right.UPLOAD,
            may_wait="may_wait" in marks,
            in_pieces="in_pieces" in marks,
            is_live=is_live,
        )


def kind_of(method: str, template: str) -> Kind | None:
    """How a request is recorded, from its method and path: a path that ends in a file name is
    exported, another one with a parameter is viewed. What is searched or listed by POST is a query,
    and what is deleted by it a deletion. A live stream is not recorded."""
    if method == _LIVE:
        return None
    if method == "POST" and template.endswith(("/search", "/list")):
        return Kind.QUERY
    if method == "POST" and "/delete/" in template:
        return Kind.DELETE
    if method in _UNSAFE:
        return Kind.DELETE if method == "DELETE" else Kind.CHANGE
    if "." in template.rpartition("/")[2]:
        return Kind.EXPORT
    return Kind.VIEW if "{" in template else Kind.QUERY
