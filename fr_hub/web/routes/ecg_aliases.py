"""The paths of two other ECG services, for programs that were written for them. They do what the
routes beside them do, with credentials: one service knows tokens in ``x-admin-token`` and
``x-user-token``, the other names and passwords (Basic).

The page has an address ``/users``, too: it answers what no route here takes.
"""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import ConfigDict

from common.domain.user import Role
from fr_hub.web.access import CurrentUser
from fr_hub.web.context import Context
from fr_hub.web.ecg_models import EcgData, Insights, StoredEcg
from fr_hub.web.routes import ecgs, registration
from fr_hub.web.routes.ecgs import AccountOwner, AccountScope, EcgKey, Wait
from fr_hub.web.routes.registration import REGISTERS, Registered, Registration
from fr_hub.web.routes.uploads import Desk
from fr_hub.web.user_models import Roles


def _named(prefix: str) -> Callable[[APIRoute], str]:
    return lambda route: f"{prefix}_{route.name}"


tokens = APIRouter(tags=["ecg services"], generate_unique_id_function=_named("by_token"))
passwords = APIRouter(prefix="/v1", tags=["ecg services"], generate_unique_id_function=_named("v1"))


class EcgRegistration(Registration):
    """A user to register. Without `roles`, the user can only send ECGs and see their own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"username": "ada"}]})

    roles: Roles = frozenset({Role.SUBMITTER})


async def register_user(
    given: EcgRegistration, request: Request, context: Context, me: CurrentUser
) -> Registered:
    """As POST /admin/register_user, for users who send ECGs."""
    return await registration.register_user(given, request, context, me)


async def send_ecg(
    request: Request, response: Response, owner: AccountOwner, desk: Desk
) -> StoredEcg:
    """As POST /api/v1/ecgs."""
    return await ecgs.send_ecg(request, response, owner, desk)


def get_ecg(context: Context, request: Request, scope: AccountScope, key: EcgKey) -> EcgData:
    """As GET /api/v1/ecgs/{ecg_id}."""
    return ecgs.get_ecg(context, request, scope, key)


async def get_insights(
    context: Context, request: Request, scope: AccountScope, key: EcgKey, wait: Wait = 0
) -> Response:
    """As GET /api/v1/ecgs/{ecg_id}/insights."""
    return await ecgs.get_insights(context, request, scope, key, wait)


tokens.post("/users", status_code=201, dependencies=REGISTERS)(register_user)
passwords.post("/admin/register_user", status_code=201, dependencies=REGISTERS)(register_user)
for _router in (tokens, passwords):
    _router.post(
        "/ecgs",
        status_code=201,
        dependencies=ecgs.SENDS,
        openapi_extra=ecgs.BODY,
        responses=ecgs.CREATED,
    )(send_ecg)
    _router.get("/ecgs/{ecg_id}", dependencies=ecgs.USES)(get_ecg)
    _router.get(
        "/ecgs/{ecg_id}/insights",
        dependencies=ecgs.WAITS,
        response_model=Insights,
        responses=ecgs.LATER,
    )(get_insights)
