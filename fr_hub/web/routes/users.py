"""Users of one's own tenant, for administrators. Names are unique over all tenants."""

import contextlib
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from pydantic import ConfigDict
from starlette.concurrency import run_in_threadpool

from common.domain.user import NewUserName, Right, Role, UserName
from common.store.users import User
from fr_hub.web.access import CurrentUser, intend, note_fact, requires
from fr_hub.web.context import Context
from fr_hub.web.etags import IfMatch, changed, etag_of
from fr_hub.web.idempotency import CurrentCreation, carried_out
from fr_hub.web.models import Body
from fr_hub.web.openapi import ETAG, LOCATION
from fr_hub.web.passwords import NewPassword
from fr_hub.web.problems import Problem, not_found
from fr_hub.web.user_models import Roles, ShownUser, UserChange, UserPage

router = APIRouter(prefix="/users", tags=["users"])
_ADMIN = [requires(Right.ADMIN)]


class NewUser(Body):
    """A user to create; without a password, they sign in by tokens only."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "ada", "roles": ["clinician"]}]}
    )

    name: NewUserName
    roles: Roles
    password: NewPassword | None = None


@router.get("", dependencies=_ADMIN)
def list_users(
    context: Context,
    me: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str, Query(max_length=64)] = "",
) -> UserPage:
    """List the users of the tenant, in order of their names."""
    found = context.store.users.of_tenant(me.tenant, after, limit + 1)
    items = [ShownUser.of(one) for one in found[:limit]]
    following = items[-1].name if len(found) > limit else None
    return UserPage(items=items, next=following, total=context.store.users.count(me.tenant))


@router.post(
    "", status_code=201, dependencies=_ADMIN, responses={201: {"headers": ETAG | LOCATION}}
)
async def create_user(
    given: NewUser,
    request: Request,
    response: Response,
    context: Context,
    me: CurrentUser,
    creation: CurrentCreation,
) -> ShownUser:
    """Create a user."""
    # No part of a password is stored but its slow hash.
    told = given.model_copy(update={"password": None})
    once = carried_out(creation, context.store.requests, told, again=True)
    async with contextmanager_in_threadpool(once) as run:
        user = None
        if run.is_repeated:
            user = await run_in_threadpool(context.store.users.get, given.name, me.tenant)
        creation.answer(response, is_new=user is None)
        if user is None:
            user = await create(
                request, context, given.name, me.tenant, given.roles, given.password
            )
        await run_in_threadpool(run.end, user.name)
    note_fact(request, account=user.name, roles=named(user.roles))
    response.headers["ETag"] = etag_of(user.revision)
    response.headers["Location"] = f"{request.url.path}/{user.name}"
    return ShownUser.of(user)


async def create(
    request: Request,
    context: Context,
    name: str,
    tenant: str,
    roles: frozenset[Role],
    password: str | None,
) -> User:
    """Add a user, once the audit trail has that.

    Raises:
        Problem: 409, there is one of this name.
    """
    hashed = None if password is None else await context.passwords.hash(password)
    await run_in_threadpool(intend, request, account=name, roles=named(roles))
    users = context.store.users
    if not await run_in_threadpool(users.add, name, tenant, roles, hashed):
        raise Problem(409, "taken", "A user with this name already exists; choose another name.")
    user = await run_in_threadpool(users.get, name)
    if user is None:
        raise Problem(
            409, "conflict", "Somebody removed this user while it was being created; try again."
        )
    return user


@router.get("/{user}", dependencies=_ADMIN, responses={200: {"headers": ETAG}})
def get_user(user: UserName, response: Response, context: Context, me: CurrentUser) -> ShownUser:
    """A user."""
    found = _existing(context, user, me.tenant)
    response.headers["ETag"] = etag_of(found.revision)
    return ShownUser.of(found)


@router.patch("/{user}", dependencies=_ADMIN, responses={200: {"headers": ETAG}})
async def change_user(
    user: UserName,
    given: UserChange,
    request: Request,
    response: Response,
    context: Context,
    me: CurrentUser,
    if_match: IfMatch,
) -> ShownUser:
    """Change a user's roles or password. A new password ends the user's sessions; new roles apply
    from the next request on."""
    known = await run_in_threadpool(_existing, context, user, me.tenant)
    if_match.check(etag_of(known.revision))
    password = None if given.password is None else await context.passwords.hash(given.password)
    if given.roles is not None:
        note_fact(request, roles=named(given.roles))
    if password is not None:
        note_fact(request, password="changed")  # noqa: S106 - that it was

    def change() -> User | None:
        intend(request, account=user)
        stays = given.roles is None or Role.ADMIN in given.roles
        with contextlib.nullcontext() if stays else _keeping_an_administrator(context, known):
            return context.store.users.change(
                user, me.tenant, roles=given.roles, password=password, revision=known.revision
            )

    after = await run_in_threadpool(change)
    if after is None:
        raise changed()
    if password is not None:
        await run_in_threadpool(context.store.sessions.end_of, user)
    note_fact(request, roles=named(after.roles))
    response.headers["ETag"] = etag_of(after.revision)
    return ShownUser.of(after)


@router.delete("/{user}", status_code=204, dependencies=_ADMIN)
def delete_user(
    user: UserName,
    request: Request,
    context: Context,
    me: CurrentUser,
    if_match: IfMatch,
) -> None:
    """Delete a user with their tokens and sessions."""
    known = _existing(context, user, me.tenant)
    if_match.check(etag_of(known.revision))
    intend(request, account=user)
    with _keeping_an_administrator(context, known):
        is_removed = context.store.users.remove(user, me.tenant, known.revision)
    if not is_removed:
        raise changed()


def _existing(context: Context, name: str, tenant: str) -> User:
    user = context.store.users.get(name, tenant)
    if user is None:
        raise not_found("user")
    return user


@contextlib.contextmanager
def _keeping_an_administrator(context: Context, user: User) -> Iterator[None]:
    """While this lasts, the user may cease to be an administrator: another one stays."""
    if Role.ADMIN not in user.roles:
        yield
        return
    mark = context.store.users.may_leave(user)
    if mark is None:
        raise Problem(
            409,
            "last_administrator",
            "This is the last administrator of the tenant; make another user an administrator "
            "first.",
        )
    try:
        yield
    finally:
        context.store.users.end_leaving(user.name, mark)


def named(roles: frozenset[Role]) -> str:
    """Roles, as the audit trail names them."""
    return ",".join(sorted(roles))
