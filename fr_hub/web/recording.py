"""Records each request in the audit trail: one event each, before it is answered. A view that takes
many requests is one event (``views``).

An event names the user, the route (its template, as the path itself may hold what a person typed)
and the outcome. A change has two: one with the outcome ``ASKED_FOR``, which is durable before
anything is changed (``access.intend``; changes of scans record theirs in the store), and one with
what became of it, which is durable before the answer. Other events are written in batches. Refusals
of those who have not signed in are counted, so that they cannot flood the trail. Health, documents,
live streams and who is signed in are not recorded.
"""

import asyncio
import secrets

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.domain.audit_events import ASKED_FOR, IDS_KEPT, Kind
from common.domain.types import ScanName
from common.domain.user import Principal
from common.errors import StoreError
from fr_hub.web.context import WebContext
from fr_hub.web.problems import phrase_of, store_problem, unexpected_problem
from fr_hub.web.route_table import ROUTE, KnownRoute, RouteTable
from fr_hub.web.views import Views

_DURABLE = frozenset({Kind.CHANGE, Kind.DELETE, Kind.SIGN_IN, Kind.SIGN_OUT})
_REFUSALS = frozenset({401, 403, 421, 429})
_SCAN_KEY: TypeAdapter[str] = TypeAdapter(ScanName)
_PART = 206
_GONE = 410
"""Of a scan of which only its state is left: it was found."""
_OPAQUE = frozenset({"patient_id", "measurement_id", "upload_id", "token_id"})
"""Parameters of paths that hold ids which Fr made: events name them."""

OTHER = "other"
"""The route of an event whose request had none."""


class Recording:
    """The middleware that records.

    Args:
        app: what it wraps.
        context: has the trail.
        table: all routes.
    """

    def __init__(self, app: ASGIApp, context: WebContext, table: RouteTable) -> None:
        self._app = app
        self._context = context
        self._table = table
        self._views = Views()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope[ROUTE] = self._table.find(scope)
        scope.setdefault("state", {})
        answer = _Answer(self._context, scope, send, self._views)
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            return  # nobody waits for an answer
        except Exception as error:  # the answer must tell nothing of it
            if answer.begun:
                raise
            problem = unexpected_problem(self._context, error)
            await problem.response()(scope, receive, answer.send)
        finally:
            answer.end()


class _Answer:
    """Records when the answer of a request begins."""

    def __init__(self, context: WebContext, scope: Scope, send: Send, views: Views) -> None:
        self._context = context
        self._scope = scope
        self._send = send
        self._views = views
        self._request = secrets.token_hex(8)
        self._is_covered = False  # the event of an earlier request stands for this one
        self._replaced = False
        self.begun = False
        scope["state"]["record_intention"] = self.intend

    def intend(self, kind: Kind | None) -> None:
        """Record durably what the request is about to change; see ``access.intend``."""
        route: KnownRoute | None = self._scope[ROUTE]
        self._note(kind or _kind(route), ASKED_FOR, None, self._scans(200), self._ids(200))
        self._context.audit.wait_durable(self._context.settings.mongodb_timeout_s)

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if self._replaced:
            return
        if message["type"] == "http.response.start" and not self.begun:
            self.begun = True
            self._cover(message["status"])
            MutableHeaders(scope=message)["X-Request-Id"] = self._request
            if not await self._recorded(message["status"], Headers(raw=message["headers"])):
                return
        elif message["type"] == "websocket.close" and not self.begun:
            self.begun = True
            if (status := message.get("code", 0) - 4000) in _REFUSALS:
                self._record(status)
        elif message["type"].startswith("websocket."):
            self.begun = True
        await self._send(message)

    def end(self) -> None:
        """The request is over; one that was never answered is recorded too."""
        if not self.begun and self._scope["type"] == "http":
            self.begun = True
            self._record(None)

    def _cover(self, status: int) -> None:
        """Find the event that stands for this request, if it is a further one of a view."""
        route: KnownRoute | None = self._scope[ROUTE]
        state = self._scope["state"]
        principal = state.get("principal")
        if route is None or not route.in_pieces or not isinstance(principal, Principal):
            return
        # A whole file is a separate export; a part of it, or of a recording, belongs to a view.
        if status >= 400 or (route.kind is not Kind.VIEW and status != _PART):
            return
        who = principal.user, principal.tenant, principal.account, state.get("via"), self._peer
        what = route.name, self._scope["path"], *self._scans(status)
        covering = self._views.covering((who, what), self._request)
        self._is_covered = covering != self._request
        self._request = covering

    async def _recorded(self, status: int, headers: Headers) -> bool:
        """Record the answer; False if another one was sent, as it could not be recorded."""
        if status < 400 and headers.get("content-type", "").startswith("text/event-stream"):
            return True
        kind = self._record(status)
        if status >= 400 or kind not in _DURABLE:
            return True
        try:
            timeout = self._context.settings.mongodb_timeout_s
            await asyncio.wait_for(asyncio.wrap_future(self._context.audit.flush()), timeout)
        except (StoreError, TimeoutError) as error:
            self._replaced = True
            problem = store_problem(self._context, error)

            async def nothing() -> Message:
                return {"type": "http.disconnect"}

            await problem.response()(self._scope, nothing, self._send)
            return False
        return True

    def _record(self, status: int | None) -> Kind | None:
        """Note the event; returns its kind, None if there is none."""
        route: KnownRoute | None = self._scope[ROUTE]
        state = self._scope["state"]
        principal = state.get("principal")
        name = route.name if route is not None else OTHER
        facts = state.get("facts", {})
        outcome = _outcome(status)
        is_refusal = status in _REFUSALS
        if self._is_covered or (route is not None and route.kind is None and not is_refusal):
            return None
        if not isinstance(principal, Principal):
            account = facts.get("account")
            cause = name if account is None else f"{name}, account {account}"
            # Who guesses at an account is the business of the auditors of its tenant.
            tenant = state.get("tenant_of_account")
            self._context.audit.refused(
                self._peer, outcome, cause, route=name, account=account, tenant=tenant
            )
            return Kind.REFUSE
        kind = Kind.REFUSE if is_refusal else _kind(route)
        self._note(kind, outcome, status, self._scans(status), self._ids(status))
        return kind

    def _note(
        self, kind: Kind, outcome: str, status: int | None, scans: list[str], ids: dict[str, str]
    ) -> None:
        """Note an event of the request."""
        route: KnownRoute | None = self._scope[ROUTE]
        state = self._scope["state"]
        principal = state.get("principal")
        is_known = isinstance(principal, Principal)
        self._context.audit.note(
            kind,
            scans,
            peer=self._peer,
            outcome=outcome,
            by=principal.user if is_known else None,
            tenant=principal.tenant if is_known else None,
            route=OTHER if route is None else route.name,
            status=status,
            via=state.get("via"),
            request=self._request,
            **{**ids, **state.get("facts", {})},
        )

    @property
    def _peer(self) -> str:
        return str((self._scope.get("client") or ("unknown", 0))[0])

    def _scans(self, status: int | None) -> list[str]:
        """The scans that the answer is about. What was not found may be anything."""
        if status is None or (status >= 400 and status != _GONE):
            return []
        named = self._scope["state"].get("scans")
        if isinstance(named, list):
            return named[:IDS_KEPT]
        key = self._parameters.get("key")
        try:
            return [] if key is None else [_SCAN_KEY.validate_python(key)]
        except ValidationError:
            return []

    def _ids(self, status: int | None) -> dict[str, str]:
        if status is None or status >= 400:
            return {}
        return {name: value for name, value in self._parameters.items() if name in _OPAQUE}

    @property
    def _parameters(self) -> dict[str, str]:
        route: KnownRoute | None = self._scope[ROUTE]
        return {} if route is None else route.parameters(self._scope["path"])


def _kind(route: KnownRoute | None) -> Kind:
    return Kind.QUERY if route is None or route.kind is None else route.kind


def _outcome(status: int | None) -> str:
    if status is None:
        return "unanswered"
    return "done" if status < 400 else phrase_of(status)
