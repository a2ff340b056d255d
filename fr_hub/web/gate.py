"""Lets requests in: nobody reaches a route without the right that it asks for.

Each user has a share of what can be under way at once, whatever the others do (``FairSlots``).
It decides before a body is read; only where nobody has to sign in, a short body is read first. A
stream goes on only as long as its user may see it: it ends within a minute after the session, the
token or a right of its user has ended.
"""

import hmac
import random
from collections import deque
from collections.abc import Collection
from urllib.parse import urlsplit

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.domain.audit_events import Kind
from common.domain.user import Principal
from common.errors import StoreError
from fr_hub.web.access import forbidden, unauthenticated
from fr_hub.web.context import WebContext
from fr_hub.web.credentials import (
    CSRF_HEADER,
    Credentials,
    address_of,
    by_admin_token,
    by_user_token,
    credentials_of,
    csrf_of,
    principal_now,
)
from fr_hub.web.fair_slots import FairSlots
from fr_hub.web.guessing import network_of
from fr_hub.web.problems import Problem, refuse, store_problem
from fr_hub.web.route_table import ROUTE, KnownRoute

RECHECK_S = 30.0
"""How often it is checked whether a stream may go on, seconds."""

WAITED_S = 1.0
"""After so long, seconds, it is checked whether the user may still have the answer."""

_END_S = 1.0

BODY_MAX = 1024 * 1024
"""Bytes of the longest body of a request. Routes that take files limit it themselves."""

STRANGERS_BODY_MAX = 64 * 1024
"""The same where nobody has to sign in. It is kept until it is whole."""

BODY_S = 20.0
"""How long a client may take to send such a body, seconds."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """The middleware that lets requests in.

    Args:
        app: what it guards.
        context: has the users.
    """

    def __init__(self, app: ASGIApp, context: WebContext) -> None:
        self._app = app
        self._context = context
        self._checks = FairSlots("sign-ins", capacity=32, most=16, waiting=4096, wait_s=30)
        self._strangers = FairSlots("requests", capacity=32, most=8, waiting=64)
        self._requests = FairSlots("requests", capacity=32, most=8, waiting=64)
        # These last: as long as a client takes to read or send, or as scans take to be stored.
        self._downloads = FairSlots("downloads", capacity=32, most=6, waiting=64)
        self._uploads = FairSlots("uploads", capacity=64, most=16, waiting=64)
        self._waiting = FairSlots("requests that wait", capacity=512, most=64, waiting=512)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, if it may come in."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        stranger = network_of(address_of(connection))
        try:
            async with self._checks.hold(stranger):
                found = await self._checked(connection)
        except Problem as problem:
            await refuse(problem, scope, receive, send)
        except StoreError as error:
            await refuse(store_problem(self._context, error), scope, receive, send)
        else:
            route: KnownRoute | None = scope[ROUTE]
            if scope["type"] == "http" and found is None:
                # First: slow strangers would hold all slots, and nobody could sign in.
                receive = await _read_first(_limited(receive, STRANGERS_BODY_MAX))
            elif scope["type"] == "http" and (route is None or not route.takes_files):
                receive = _limited(receive, BODY_MAX)
            if route is not None and route.is_live:
                await self._serve(connection, receive, send)
                return
            user = stranger if found is None else found.principal.user
            try:
                async with self._slots_of(route, found).hold(user):
                    if route is not None and route.may_wait:
                        send = self._checked_again(connection, receive, send)
                    await self._app(scope, receive, send)
            except Problem as problem:  # of the slots: those of routes are answered inside
                await refuse(problem, scope, receive, send)

    def _slots_of(self, route: KnownRoute | None, found: Credentials | None) -> FairSlots:
        if found is None:
            return self._strangers
        if route is not None and route.takes_files:
            return self._uploads
        if route is not None and route.may_wait:
            return self._waiting
        is_file = route is not None and route.kind == Kind.EXPORT
        return self._downloads if is_file else self._requests

    async def _checked(self, connection: HTTPConnection) -> Credentials | None:
        """Who makes this request, who may make it; None: anyone may."""
        route: KnownRoute | None = connection.scope[ROUTE]
        _check_length(connection)
        _check_origin(connection, self._context.settings.web_origins)
        if route is not None and route.access == "anyone":
            return None
        found = await self._credentials(connection)
        if found is None:
            raise unauthenticated(connection.headers.get("authorization", ""))
        connection.state.principal = found.principal
        connection.state.via = found.via
        connection.state.credentials = found
        self._context.emergency.used(self._context, found.principal, address_of(connection))
        _check_csrf(connection, found)
        if route is not None and route.right and route.right not in found.principal.rights:
            raise forbidden(route.right)
        return found

    async def _credentials(self, connection: HTTPConnection) -> Credentials | None:
        route: KnownRoute | None = connection.scope[ROUTE]
        found = await credentials_of(connection, self._context)
        if found is None and route is not None and route.takes_user_token:
            found = await run_in_threadpool(by_user_token, connection, self._context)
        if found is None and route is not None and route.takes_admin_token:
            found = await run_in_threadpool(by_admin_token, connection, self._context)
        return found

    def _checked_again(self, connection: HTTPConnection, receive: Receive, send: Send) -> Send:
        """Send an answer that was waited for, if its user may still have it."""
        began, is_refused = anyio.current_time(), False

        async def send_checked(message: Message) -> None:
            nonlocal is_refused
            waited = anyio.current_time() - began > WAITED_S
            if message["type"] == "http.response.start" and waited:
                problem = await self._problem_now(connection)
                if problem is not None:
                    is_refused = True
                    await refuse(problem, connection.scope, receive, send)
            if not is_refused:
                await send(message)

        return send_checked

    async def _problem_now(self, connection: HTTPConnection) -> Problem | None:
        """Why the user of a request that came in may not have its answer any more."""
        shown: Credentials = connection.state.credentials
        try:
            now = await run_in_threadpool(principal_now, self._context, shown)
        except StoreError as error:
            return store_problem(self._context, error)
        began: Principal = connection.state.principal
        if now is None:
            return unauthenticated()
        same = (now.user, now.tenant, now.account) == (began.user, began.tenant, began.account)
        if not same:
            return unauthenticated()
        lost = began.rights - now.rights
        return forbidden(min(lost)) if lost else None

    async def _serve(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        scope = connection.scope
        if not hasattr(connection.state, "principal"):  # anyone may see it
            await self._app(scope, receive, send)
            return
        failed: Exception | None = None
        ended = False

        async def watch() -> None:
            nonlocal ended
            while await self._may_go_on(connection):
                pass
            ended = True
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            try:
                await self._app(scope, receive, send)
            except Exception as error:  # noqa: BLE001 - raised again, not as a group of errors
                failed = error
            group.cancel_scope.cancel()
        if failed is not None:
            raise failed
        if ended and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4401})
        elif ended:
            with anyio.move_on_after(_END_S):  # a client that does not read is not waited for
                await send({"type": "http.response.body", "body": b""})

    async def _may_go_on(self, connection: HTTPConnection) -> bool:
        # Not all at once, however many began together.
        await anyio.sleep(RECHECK_S * random.uniform(0.5, 1.0))  # noqa: S311
        try:
            shown: Credentials = connection.state.credentials
            now = await run_in_threadpool(principal_now, self._context, shown)
        except StoreError:
            return True  # nobody can tell now
        began: Principal = connection.state.principal
        if now is None or now.tenant != began.tenant:
            return False
        # Any right: what a stream shows may depend on more rights than the one that it asks for.
        return began.rights <= now.rights


async def _read_first(receive: Receive) -> Receive:
    """Read a body; what gives it out from then on, or fails as the reading did."""
    messages: deque[Message] = deque()
    failed: HTTPException | None = None
    try:
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
    except HTTPException as error:
        failed = error

    async def receive_read() -> Message:
        if messages:
            return messages.popleft()
        if failed is not None:
            raise failed
        return await receive()

    return receive_read


def _limited(receive: Receive, most: int) -> Receive:
    """Receive as before, a body of up to ``most`` bytes within ``BODY_S`` seconds."""
    left = most
    until: float | None = None
    is_whole = False

    async def receive_limited() -> Message:
        nonlocal left, until, is_whole
        if is_whole:  # the end of the connection may take as long as the answer
            return await receive()
        now = anyio.current_time()
        until = now + BODY_S if until is None else until
        try:
            with anyio.fail_after(until - now):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408) from None
        is_whole = not message.get("more_body", False)
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413)
        return message

    return receive_limited


def _check_length(connection: HTTPConnection) -> None:
    """Refuse a request with two lengths of its body (RFC 9112, 6.3): the server reads the chunks,
    whatever Content-Length declares, and a proxy may read the other one."""
    if "content-length" in connection.headers and "transfer-encoding" in connection.headers:
        raise Problem(
            400,
            "two_lengths",
            "Send either Content-Length or Transfer-Encoding, not both.",
            {"Connection": "close"},
        )


def _check_origin(connection: HTTPConnection, allowed: Collection[str]) -> None:
    """Refuse changes and WebSockets that a page of another site asks for (Fetch Metadata), unless
    WEB_ORIGINS names it."""
    if connection.scope["type"] == "http" and connection.scope["method"] in _SAFE:
        return
    origin = connection.headers.get("origin")
    if origin in allowed:
        return
    foreign = origin is not None and urlsplit(origin).netloc != connection.headers.get("host")
    if foreign or connection.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Problem(
            403, "foreign_origin", "A page from another site cannot do this; open Fr's own page."
        )


def _check_csrf(connection: HTTPConnection, found: Credentials) -> None:
    if found.session is None or connection.scope["type"] != "http":
        return
    if connection.scope["method"] in _SAFE:
        return
    given = connection.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), csrf_of(found.token).encode()):
        raise Problem(
            403,
            "csrf",
            "Send the 'csrf' from GET /api/v1/session as the header X-CSRF-Token with each "
            "change.",
        )
