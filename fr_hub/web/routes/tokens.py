"""Tokens for scripts: one's own, or, for administrators, those of a user of their tenant."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field

from common.domain.user import Principal, Right, Role, UserName
from common.store.users import TOKENS_MAX, Token, User, token_id
from fr_hub.web.access import CurrentUser, note_fact, signed_in
from fr_hub.web.context import Context
from fr_hub.web.credentials import Credentials
from fr_hub.web.idempotency import CurrentCreation, begun
from fr_hub.web.models import Answer, Body, ListAnswer
from fr_hub.web.problems import Problem, not_found
from fr_hub.web.user_models import Roles

router = APIRouter(prefix="/tokens", tags=["tokens"])
_ANY_USER = [signed_in()]

_OfUser = Annotated[
    UserName | None, Query(description="whose tokens; only administrators may name another user")
]


class NewToken(Body):
    """A token to make."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": "nightly export", "days": 30}]}
    )

    label: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = ""
    """What it is for; for people."""
    roles: Roles | None = None
    """It has only these of its user's roles; if absent, all."""
    days: Annotated[float, Field(gt=0, le=3650)] = 90


class _OfWhom(Body):
    """A token to make, and for whom: the path does not say that."""

    user: str
    token: NewToken


class ShownToken(Answer):
    """A token without its text."""

    id: str
    user: str
    label: str
    roles: list[Role] | None
    created_at: datetime
    expires_at: datetime


class MadeToken(ShownToken):
    """A new token: its text is in this answer alone."""

    token: str


class TokenList(ListAnswer):
    """The tokens of a user."""

    items: list[ShownToken]


@router.get("", dependencies=_ANY_USER)
def list_tokens(context: Context, me: CurrentUser, user: _OfUser = None) -> TokenList:
    """The tokens of a user, one's own if none is named."""
    owner = _owner(context, me, user)
    items = [_shown(one) for one in context.store.users.tokens(owner.name)]
    return TokenList(items=items, total=len(items))


@router.post("", status_code=201, dependencies=_ANY_USER)
def make_token(
    given: NewToken,
    request: Request,
    response: Response,
    context: Context,
    me: CurrentUser,
    creation: CurrentCreation,
    user: _OfUser = None,
) -> MadeToken:
    """Make a token. It never has more roles than who makes it for themselves. One that is made by a
    token ends with that, at the latest; one that an administrator makes for another user does not
    give the right `ecgs`. Sent again with its
    Idempotency-Key, it revokes the token of the first answer and makes another: the text is not
    stored."""
    owner, roles, users = _owner(context, me, user), given.roles, context.store.users
    if Role.EMERGENCY in (owner.roles if roles is None else roles):
        raise Problem(
            422,
            "invalid",
            "An emergency account signs in only with its password: send 'roles' without "
            "'emergency'.",
        )
    if given.days > (most := context.settings.web_token_days):
        raise Problem(422, "invalid", f"'days' must be {most:g} or less (WEB_TOKEN_DAYS).")
    if owner.name == me.user and me.roles != owner.roles:
        roles = me.roles if roles is None else roles & me.roles  # made by such a token itself
    if roles is not None and not roles <= owner.roles:
        raise Problem(422, "invalid", "'roles' may contain only roles that the user has.")
    known = begun(creation, context.store.requests, _OfWhom(user=owner.name, token=given))
    if known is not None and known.answer is not None:
        users.remove_token(known.answer)
    creation.answer(response, is_new=known is None)
    if len(users.tokens(owner.name)) >= TOKENS_MAX:
        raise Problem(
            409,
            "too_many",
            f"A user may have at most {TOKENS_MAX} tokens; revoke one that is no longer used.",
        )
    found: Credentials = request.state.credentials
    token = users.add_token(
        owner.name,
        timedelta(days=given.days),
        roles,
        given.label,
        parent=found.bearer,
        # Its text is the administrator's, too, who sees no ECG of others.
        withheld=() if owner.name == me.user else (Right.ECGS,),
    )
    made = users.token(token_id(token))
    if made is None:
        raise Problem(
            409, "conflict", "Somebody revoked this token while it was being created; try again."
        )
    if creation.has_key:
        context.store.requests.end(creation.id, made.id)
    note_fact(request, account=owner.name, token_id=made.id)
    return MadeToken(**_shown(made).model_dump(), token=token)


@router.delete("/{token_id}", status_code=204, dependencies=_ANY_USER)
def revoke_token(
    token_id: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")],
    request: Request,
    context: Context,
    me: CurrentUser,
) -> None:
    """Revoke a token: the next request with it is refused."""
    user = None if Right.ADMIN in me.rights else me.user
    token = context.store.users.token(token_id, me.tenant, user)
    if token is None:
        raise not_found("token")
    context.store.users.remove_token(token_id)
    note_fact(request, account=token.user)


def _owner(context: Context, me: Principal, name: str | None) -> User:
    owner = context.store.users.get(name or me.user, me.tenant)
    if owner is None or not _may_see(me, owner):
        raise not_found("user")
    return owner


def _may_see(me: Principal, owner: User) -> bool:
    return owner.name == me.user or Right.ADMIN in me.rights


def _shown(token: Token) -> ShownToken:
    return ShownToken(
        id=token.id,
        user=token.user,
        label=token.label,
        roles=None if token.roles is None else sorted(token.roles),
        created_at=token.created_at,
        expires_at=token.expires_at,
    )
