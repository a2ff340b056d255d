"""Who makes a request, and what routes ask of them.

The middlewares read what a route asks for from its dependencies, before its function runs: see
``fr_hub.web.gate`` and ``fr_hub.web.recording``. Each route has exactly one of ``requires``,
``signed_in`` and ``anyone``.

Dependencies that wait for nothing are coroutines: FastAPI runs all others in a thread each.
"""

from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from common.domain.audit_events import Kind
from common.domain.tenant import Tenant
from common.domain.user import Principal, Right
from fr_hub.web.context import Context
from fr_hub.web.problems import Problem

_BY_SCHEME = {
    "basic": "The name or the password is wrong, or this account may not use a password here.",
    "bearer": "The token is unknown, revoked or expired; send a valid one.",
}


def unauthenticated(sent: str = "") -> Problem:
    """There are no valid credentials.

    Args:
        sent: the header ``Authorization`` of the request.
    """
    return Problem(
        401,
        "unauthenticated",
        _BY_SCHEME.get(
            sent.partition(" ")[0].lower(),
            "Sign in, or send a valid token as 'Authorization: Bearer TOKEN'.",
        ),
        {"WWW-Authenticate": "Bearer"},
    )


def forbidden(right: Right) -> Problem:
    """The user does not have this right."""
    return Problem(
        403,
        "forbidden",
        f"This needs the right '{right}', which your roles do not give; ask an administrator.",
    )


async def principal_of(connection: HTTPConnection) -> Principal:
    """Who makes this request, as the gate found.

    Raises:
        Problem: 401, nobody has signed in.
    """
    principal = getattr(connection.state, "principal", None)
    if not isinstance(principal, Principal):
        raise unauthenticated()
    return principal


CurrentUser = Annotated[Principal, Depends(principal_of)]
"""The type of a route's parameter that gets who makes the request."""


def requires(right: Right) -> Any:
    """A dependency of a route: the user has this right."""

    async def check(principal: CurrentUser) -> None:
        if right not in principal.rights:
            raise forbidden(right)

    check.right = right  # type: ignore[attr-defined]
    return Depends(check)


def signed_in() -> Any:
    """A dependency of a route: any user may use it."""

    async def check(_: CurrentUser) -> None:
        pass

    check.access = "user"  # type: ignore[attr-defined]
    return Depends(check)


def anyone() -> Any:
    """A dependency of a route: whoever reaches the API may use it."""

    async def check() -> None:
        pass

    check.access = "anyone"  # type: ignore[attr-defined]
    return Depends(check)


def recorded_as(kind: Kind | None) -> Any:
    """A dependency of a route: the kind of the events by which its requests are recorded in the
    audit trail, where the method and path do not tell; None: they are not recorded."""

    async def check() -> None:
        pass

    check.kind = kind  # type: ignore[attr-defined]
    return Depends(check)


def admin_token_too() -> Any:
    """A dependency of a route: besides the users that may use it, who has the token in
    ADMIN_TOKEN_FILE."""

    async def check() -> None:
        pass

    check.takes_admin_token = True  # type: ignore[attr-defined]
    return Depends(check)


def user_token_too() -> Any:
    """A dependency of a route: a user's token may also come in the header ``x-user-token``."""

    async def check() -> None:
        pass

    check.takes_user_token = True  # type: ignore[attr-defined]
    return Depends(check)


def takes_files() -> Any:
    """A dependency of a route: it reads its body itself, however long it is and takes."""

    async def check() -> None:
        pass

    check.takes_files = True  # type: ignore[attr-defined]
    return Depends(check)


def may_wait() -> Any:
    """A dependency of a route: its answer may take as long as an analysis."""

    async def check() -> None:
        pass

    check.may_wait = True  # type: ignore[attr-defined]
    return Depends(check)


def in_pieces() -> Any:
    """A dependency of a route: it answers with a part of something, and one view of that takes many
    requests; see ``views``."""

    async def check() -> None:
        pass

    check.in_pieces = True  # type: ignore[attr-defined]
    return Depends(check)


def live() -> Any:
    """A dependency of a route: it answers with a stream, which ends when its user may not see it
    any more."""

    async def check() -> None:
        pass

    check.live = True  # type: ignore[attr-defined]
    return Depends(check)


def note_fact(connection: HTTPConnection, **facts: str | int) -> None:
    """Add facts to the event of this request in the audit trail. They must not be personal data
    of patients."""
    connection.state.facts = {**getattr(connection.state, "facts", {}), **facts}


def intend(connection: HTTPConnection, *, kind: Kind | None = None, **facts: str | int) -> None:
    """Record what a request is about to change, and wait until this is durable: no change of a
    user, token, patient or measurement is made without it, whatever happens to the process or to
    MongoDB in between. Waits for MongoDB, so it must not run in the event loop.

    Args:
        connection: the request.
        kind: of the event; None: the kind by which the request is recorded.
        facts: as for ``note_fact``, which the event of the answer has, too.

    Raises:
        StoreError: the audit trail cannot be written, so nothing must be changed.
    """
    note_fact(connection, **facts)
    connection.state.record_intention(kind)


def note_scans(connection: HTTPConnection, keys: list[str]) -> None:
    """Name the scans that this request is about in its event in the audit trail; those in its path
    are named without this."""
    connection.state.scans = keys


async def tenant_of(principal: CurrentUser, context: Context) -> Tenant:
    """The tenant of who makes the request."""
    tenant = context.tenants.get(principal.tenant)
    if tenant is None:
        raise Problem(
            403, "forbidden", "Your tenant is no longer in WEB_TENANTS; ask an administrator."
        )
    return tenant


CurrentTenant = Annotated[Tenant, Depends(tenant_of)]
"""The type of a route's parameter that gets the tenant of who makes the request."""
