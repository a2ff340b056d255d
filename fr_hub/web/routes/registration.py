"""Registers users for programs: by a token in a file (x-admin-token), or by the password of an
administrator (Basic)."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from common.domain.types import Identifier
from common.domain.user import NewUserName, Right, Role
from fr_hub.web.access import CurrentUser, admin_token_too, requires
from fr_hub.web.context import Context
from fr_hub.web.credentials import Credentials
from fr_hub.web.models import Answer, Body
from fr_hub.web.passwords import NewPassword
from fr_hub.web.problems import Problem
from fr_hub.web.routes.users import create
from fr_hub.web.user_models import Roles

router = APIRouter(prefix="/admin", tags=["users"])

_DEFAULT_ROLES = frozenset({Role.CLINICIAN})


class Registration(Body):
    """A user to register. Without a password, the answer has a token to sign in with."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "ada", "roles": ["clinician"]}]}
    )

    username: NewUserName
    password: NewPassword | None = None
    roles: Roles = _DEFAULT_ROLES
    tenant: Annotated[Identifier | None, Field(description="only with x-admin-token")] = None


class Registered(Answer):
    """The registered user."""

    username: str
    tenant: str
    roles: list[Role]
    token: str | None = None
    """Only if no password was given. Only this answer contains it."""


REGISTERS = [requires(Right.ADMIN), admin_token_too()]


@router.post("/register_user", status_code=201, dependencies=REGISTERS)
async def register_user(
    given: Registration, request: Request, context: Context, me: CurrentUser
) -> Registered:
    """Register a user."""
    tenant = given.tenant or me.tenant
    # By what they showed, never by their name: a user may be called anything.
    found: Credentials = request.state.credentials
    if tenant != me.tenant and found.via != "admin_token":
        raise Problem(403, "forbidden", "An administrator registers users of one tenant only.")
    if tenant not in context.tenants:
        raise Problem(422, "invalid", "'tenant' must be one of WEB_TENANTS.")
    if given.password is None and Role.EMERGENCY in given.roles:
        raise Problem(
            422,
            "invalid",
            "An emergency account signs in only with its password: send a 'password', too.",
        )
    user = await create(request, context, given.username, tenant, given.roles, given.password)
    token = None
    if given.password is None:
        valid = timedelta(days=context.settings.web_token_days)
        token = await run_in_threadpool(context.store.tokens.add, user.name, valid)
    return Registered(username=user.name, tenant=user.tenant, roles=sorted(user.roles), token=token)
