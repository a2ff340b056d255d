"""Who makes a request, and what they may do."""

from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from common.domain.tenant import Tenant
from common.domain.user import Principal, Right
from fr_hub.web.context import Context
from fr_hub.web.problems import Problem


def principal_of(connection: HTTPConnection, context: Context) -> Principal:
    """The user whose bearer token came with the request.

    Raises:
        Problem: 401, there is no valid token.
    """
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    principal = context.store.users.of_token(token) if scheme.lower() == "bearer" else None
    if principal is None:
        raise Problem(
            401,
            "unauthenticated",
            "Sign in, or send a valid token as 'Authorization: Bearer TOKEN'.",
            {"WWW-Authenticate": "Bearer"},
        )
    connection.state.principal = principal
    return principal


CurrentUser = Annotated[Principal, Depends(principal_of)]
"""The type of a route's parameter that gets who makes the request."""


def requires(right: Right) -> Any:
    """A dependency of a route: the user has this right. Each route but those of sign-in and health
    has one, which a test checks."""

    def check(principal: CurrentUser) -> None:
        if right not in principal.rights:
            raise Problem(
                403,
                "forbidden",
                f"This needs the right '{right}', which your roles do not give; ask an "
                "administrator.",
            )

    check.right = right  # type: ignore[attr-defined]
    return Depends(check)


def tenant_of(principal: CurrentUser, context: Context) -> Tenant:
    """The tenant of who makes the request."""
    tenant = context.tenants.get(principal.tenant)
    if tenant is None:
        raise Problem(
            403, "forbidden", "Your tenant is not in WEB_TENANTS any more; ask an administrator."
        )
    return tenant


CurrentTenant = Annotated[Tenant, Depends(tenant_of)]
"""The type of a route's parameter that gets the tenant of who makes the request."""
