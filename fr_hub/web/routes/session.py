"""Signing in and out, and one's own password."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from common.domain.audit_events import Kind
from common.domain.types import DEFAULT_TENANT, utc_now
from common.domain.user import Principal, Right, Role
from common.store.users import User
from fr_hub.web.access import anyone, intend, note_fact, recorded_as, signed_in
from fr_hub.web.context import Context
from fr_hub.web.credentials import (
    PLAIN_COOKIE,
    Credentials,
    address_of,
    check_password,
    cookie_name,
    csrf_of,
)
from fr_hub.web.first_start import USER, take_token
from fr_hub.web.models import Answer, Body
from fr_hub.web.passwords import GivenPassword, NewPassword
from fr_hub.web.problems import Problem

router = APIRouter(prefix="/session", tags=["session"])


class SignIn(Body):
    """A user's name and password."""

    user: Annotated[str, Field(min_length=1, max_length=64)]
    password: GivenPassword


class OneTime(Body):
    """The token of the one-time address."""

    token: Annotated[str, Field(min_length=1, max_length=100)]


class PasswordChange(Body):
    """The current password and the new one."""

    current: GivenPassword
    new: NewPassword


class ShownSession(Answer):
    """Who is signed in, and what they may do."""

    user: str
    tenant: str
    roles: list[Role]
    rights: list[Right]
    csrf: str | None = None
    """Send this as X-CSRF-Token with each change, if you signed in with a cookie."""
    expires_at: datetime | None = None


def _shown(principal: Principal, token: str = "", expires: datetime | None = None) -> ShownSession:
    return ShownSession(
        user=principal.user,
        tenant=principal.tenant,
        roles=sorted(principal.roles),
        rights=sorted(principal.rights),
        csrf=csrf_of(token) if token else None,
        expires_at=expires,
    )


@router.post("", dependencies=[anyone(), recorded_as(Kind.SIGN_IN)])
async def sign_in(
    given: SignIn, request: Request, response: Response, context: Context
) -> ShownSession:
    """Sign in with a password: begins a session, whose cookie comes with the answer."""
    user = await check_password(request, context, given.user, given.password)
    if user is None:
        raise Problem(
            401,
            "wrong_password",
            "The name or the password is wrong; try again, or ask an "
            "administrator for a new password.",
        )
    return await _begin(user, request, response, context)


@router.post("/one-time", dependencies=[anyone(), recorded_as(Kind.SIGN_IN)])
async def sign_in_once(
    given: OneTime, request: Request, response: Response, context: Context
) -> ShownSession:
    """Sign in as the first administrator, with the token of the address that `make web` printed."""
    if not await run_in_threadpool(take_token, context.settings, given.token):
        raise Problem(
            401,
            "wrong_token",
            "This address was already used, or has expired: sign in with your name and password. "
            "If no administrator has a password yet, start `make web` again, and open the address "
            "that it prints.",
        )
    user = await run_in_threadpool(_administrator, request, context)
    return await _begin(user, request, response, context)


def _administrator(request: Request, context: Context) -> User:
    users = context.store.users
    user = users.get(USER, DEFAULT_TENANT)
    if user is None or Role.ADMIN not in user.roles:
        intend(request, kind=Kind.CHANGE, account=USER, roles=str(Role.ADMIN))
        users.add(USER, DEFAULT_TENANT, [Role.ADMIN])
        user = users.get(USER, DEFAULT_TENANT)
    if user is not None and Role.ADMIN not in user.roles:
        user = users.change(USER, DEFAULT_TENANT, roles=user.roles | {Role.ADMIN})
    if user is None:
        raise Problem(
            409,
            "taken",
            f"The user '{USER}' is in another tenant: add an administrator with `make users`.",
        )
    return user


async def _begin(
    user: User, request: Request, response: Response, context: Context
) -> ShownSession:
    name = cookie_name(request)
    if earlier := request.cookies.get(name):
        await run_in_threadpool(context.store.sessions.end, earlier)
    valid = timedelta(hours=context.settings.web_session_hours)
    expires = utc_now() + valid
    token = await run_in_threadpool(context.store.sessions.begin, user, valid)
    response.set_cookie(
        name, token, path="/", secure=name != PLAIN_COOKIE, httponly=True, samesite="strict"
    )
    request.state.principal = user.principal
    request.state.via = "session"
    note_fact(request, account=user.name)
    context.emergency.used(context, user.principal, address_of(request))
    return _shown(user.principal, token, expires)


@router.get("", dependencies=[signed_in(), recorded_as(None)])
def get_session(request: Request) -> ShownSession:
    """Who is signed in."""
    found: Credentials = request.state.credentials
    expires = None if found.session is None else found.session.expires_at
    return _shown(found.principal, found.token, expires)


@router.delete("", status_code=204, dependencies=[signed_in(), recorded_as(Kind.SIGN_OUT)])
def sign_out(request: Request, response: Response, context: Context) -> None:
    """Sign out: end the session. With a token or a password (Basic), there is no session to end."""
    found: Credentials = request.state.credentials
    if found.token:
        context.store.sessions.end(found.token)
    name = cookie_name(request)
    response.delete_cookie(
        name, path="/", secure=name != PLAIN_COOKIE, httponly=True, samesite="strict"
    )


@router.put("/password", status_code=204, dependencies=[signed_in()])
async def change_password(given: PasswordChange, request: Request, context: Context) -> None:
    """Change your own password. Your other sessions end."""
    found: Credentials = request.state.credentials
    name = found.principal.user
    user = await check_password(request, context, name, given.current)
    if user is None:
        raise Problem(403, "wrong_password", "The current password is wrong; try again.")
    password = await context.passwords.hash(given.new)
    await run_in_threadpool(
        intend, request, account=name, password="changed"  # noqa: S106 - that it was
    )
    after = await run_in_threadpool(
        lambda: context.store.users.change(name, password=password, revision=user.revision)
    )
    if after is None:
        # The password that was checked may be one no more, such as after an administrator's reset.
        raise Problem(409, "conflict", "Somebody changed this account at the same time; try again.")
    if found.token:
        await run_in_threadpool(context.store.sessions.keep, found.token, after)
    await run_in_threadpool(context.store.sessions.end_of, name, found.token or None)
