"""Finds out whose credentials come with a request: a session's cookie, a password, a token."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from common.domain.types import DEFAULT_TENANT
from common.domain.user import ADMIN_TOKEN_USER, Principal, Role
from common.errors import SettingsError
from common.settings.private_files import read_private
from common.store.sessions import Session
from common.store.users import User
from fr_hub.web.access import note_fact
from fr_hub.web.context import WebContext
from fr_hub.web.problems import Problem

COOKIE, PLAIN_COOKIE = "__Host-fr-session", "fr-session"
CSRF_HEADER = "x-csrf-token"
ADMIN_TOKEN_HEADER = "x-admin-token"  # noqa: S105 - a header's name
USER_TOKEN_HEADER = "x-user-token"  # noqa: S105 - a header's name

Via = Literal["session", "password", "token", "admin_token"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who makes a request, and by what they showed it.

    Args:
        session: the session, and ``token`` its token, if it was shown by a cookie.
        bearer: the user's token, if it was shown by one.
        user: the user, as the password was checked, if it was shown by that.
    """

    principal: Principal
    via: Via
    session: Session | None = None
    token: str = ""
    bearer: str = ""
    user: User | None = None


def cookie_name(connection: HTTPConnection) -> str:
    """The name of the session's cookie: only with TLS may it have the prefix that browsers
    protect."""
    return COOKIE if connection.scope["scheme"] in ("https", "wss") else PLAIN_COOKIE


def csrf_of(token: str) -> str:
    """The token that a page must send with changes, from that of its session."""
    return hashlib.sha256(f"csrf\0{token}".encode()).hexdigest()


def address_of(connection: HTTPConnection) -> str:
    """The address that a request comes from."""
    return connection.client.host if connection.client is not None else "unknown"


async def credentials_of(connection: HTTPConnection, context: WebContext) -> Credentials | None:
    """The valid credentials that come with a request; None: there are none. It counts as a use of
    the session.

    Raises:
        Problem: 429, after too many wrong passwords.
    """
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await run_in_threadpool(_by_token, context, value.strip())
    if scheme.lower() == "basic":
        return await _basic(connection, context, value)
    if scheme:
        return None
    token = connection.cookies.get(cookie_name(connection))
    if not token:
        return None
    idle = timedelta(minutes=context.settings.web_idle_minutes)
    session = await run_in_threadpool(context.store.sessions.of, token, idle)
    if session is None:
        return None
    return Credentials(session.user.principal, "session", session, token)


async def _basic(connection: HTTPConnection, context: WebContext, value: str) -> Credentials | None:
    try:
        name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    user = await check_password(connection, context, name, password) if colon else None
    return None if user is None else Credentials(user.principal, "password", user=user)


def _by_token(context: WebContext, token: str) -> Credentials | None:
    principal = context.store.tokens.principal(token)
    return None if principal is None else Credentials(principal, "token", bearer=token)


def principal_now(context: WebContext, found: Credentials) -> Principal | None:
    """Who these credentials stand for by now; None if nobody: the session, the token or the
    password has ended, or the user was removed. Nothing is guessed, so no wrong password that came
    meanwhile matters, and no session counts as used.

    Raises:
        StoreError: it cannot be read.
    """
    if found.session is not None:
        idle = timedelta(minutes=context.settings.web_idle_minutes)
        session = context.store.sessions.of(found.token, idle, use=False)
        return None if session is None else session.user.principal
    if found.bearer:
        return context.store.tokens.principal(found.bearer)
    if found.user is None:
        return None
    user = context.store.users.get(found.user.name, found.user.tenant)
    is_same = user is not None and (user.account, user.password) == (
        found.user.account,
        found.user.password,
    )
    return user.principal if user is not None and is_same else None


async def check_password(
    connection: HTTPConnection, context: WebContext, name: str, password: str
) -> User | None:
    """The user of this name and password; None if there is none, or the password is wrong.

    Raises:
        Problem: 429, after too many wrong passwords.
    """
    if len(name) > 64 or len(password) > 256:
        return None
    user = await run_in_threadpool(context.store.users.get, name)
    stored = None if user is None else user.password
    if context.passwords.is_remembered(name, password, stored):
        return user
    guessing, address = context.guessing, address_of(connection)
    if user is not None:
        note_fact(connection, account=name)
        connection.state.tenant_of_account = user.tenant
    if (seconds := guessing.refused_s(name, address)) > 0:
        raise Problem(
            429,
            "slowed",
            f"Too many wrong passwords from here; try again in {int(seconds) + 1} seconds.",
            {"Retry-After": str(int(seconds) + 1)},
        )
    await anyio.sleep(guessing.attempt(name, address))
    if not await context.passwords.is_right(name, password, stored):
        return None
    guessing.succeeded(name, address)
    return user


def by_user_token(connection: HTTPConnection, context: WebContext) -> Credentials | None:
    """The credentials of the user whose token comes in the header ``x-user-token``, as earlier
    systems send it; None if it is nobody's, or none came."""
    given = connection.headers.get(USER_TOKEN_HEADER)
    return None if given is None else _by_token(context, given.strip())


def admin_token(context: WebContext) -> str | None:
    """The token in ADMIN_TOKEN_FILE; None if there is no such file.

    Raises:
        SettingsError: it cannot be read, others may read it, or it is too short.
    """
    path = context.settings.admin_token_file
    if path is None:
        return None
    try:
        token = read_private(path, "ADMIN_TOKEN_FILE")
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if len(token) < 32:
        raise SettingsError(
            f"ADMIN_TOKEN_FILE={str(path)!r}: the token has fewer than 32 characters (openssl "
            "rand -hex 32)"
        )
    return token


def by_admin_token(connection: HTTPConnection, context: WebContext) -> Credentials | None:
    """The credentials of the program that has the token in ADMIN_TOKEN_FILE; None if another
    token or none came with the request. The file is read each time, so that a new token counts at
    once."""
    given = connection.headers.get(ADMIN_TOKEN_HEADER)
    if given is None:
        return None
    try:
        token = admin_token(context)
    except SettingsError as error:
        context.log.warning("the admin token cannot be read", reason=str(error))
        return None
    if token is None or not hmac.compare_digest(token.encode(), given.encode()):
        return None
    return Credentials(
        Principal(ADMIN_TOKEN_USER, DEFAULT_TENANT, frozenset({Role.ADMIN})), "admin_token"
    )
