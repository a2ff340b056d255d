"""Tokens for scripts: one's own, or, for administrators, those of a user of their tenant."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field

from common.domain.user import Principal, Right, Role, UserName
from common.store.token_documents import new_token, token_id
from common.store.tokens import TOKENS_MAX, Token
from common.store.users import User
from fr_hub.web.access import CurrentUser, intend, signed_in
from fr_hub.web.context import Context
from fr_hub.web.credentials import Credentials
from fr_hub.web.idempotency import CurrentCreation, carried_out
from fr_hub.web.models import Answer, Body, ListAnswer
from fr_hub.web.problems import Problem, not_found
from fr_hub.web.user_models import Roles

router = APIRouter(prefix="/tokens", tags=["tokens"])
_ANY_USER = [signed_in()]

_OfUser = Annotated[
    UserName | None,
    Query(
        description="the user that the token belongs to; only administrators may name another user "
        "than themselves"
    ),
]


class NewToken(Body):
    """A token to create."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": "nightly export", "days": 30}]}
    )

    label: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = ""
    """What the token is for, in words."""
    roles: Roles | None = None
    """Which of the user's roles the token has; default: all."""
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
    """A new token. Only this answer contains its text."""

    token: str


class TokenList(ListAnswer):
    """The tokens of a user."""

    items: list[ShownToken]


@router.get("", dependencies=_ANY_USER)
def list_tokens(context: Context, me: CurrentUser, user: _OfUser = None) -> TokenList:
    """List the tokens of a user; by default, your own."""
    owner = _owner(context, me, user)
    items = [_shown(one) for one in context.store.tokens.of_user(owner.name)]
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
    """Create a token. A token for yourself never has more roles than you. A token that is created
    with another token expires with that one at the latest. A token that an administrator creates
    for another user does not give the right `ecgs`. If you repeat the request with its
    Idempotency-Key, the token of the first answer is revoked, and another one is created: Fr does
    not store the text of tokens."""
    owner, roles, tokens = _owner(context, me, user), given.roles, context.store.tokens
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
    told = _OfWhom(user=owner.name, token=given)
    with carried_out(creation, context.store.requests, told, again=True) as run:
        creation.answer(response, is_new=not run.is_repeated)
        text = new_token()
        intend(request, account=owner.name, token_id=token_id(text))
        if run.answer is not None:
            tokens.remove(run.answer)
        if len(tokens.of_user(owner.name)) >= TOKENS_MAX:
            raise Problem(
                409,
                "too_many",
                f"A user may have at most {TOKENS_MAX} tokens; revoke one that is no longer used.",
            )
        run.note(token_id(text))
        found: Credentials = request.state.credentials
        tokens.add(
            owner.name,
            timedelta(days=given.days),
            roles,
            given.label,
            parent=found.bearer,
            # Its text is the administrator's, too, who sees no ECG of others.
            withheld=() if owner.name == me.user else (Right.ECGS,),
            text=text,
        )
        made = tokens.get(token_id(text))
        if made is None:
            raise Problem(
                409,
                "conflict",
                "Somebody revoked this token while it was being created; try again.",
            )
        run.end(made.id)
        return MadeToken(**_shown(made).model_dump(), token=text)


@router.delete("/{token_id}", status_code=204, dependencies=_ANY_USER)
def revoke_token(
    token_id: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")],
    request: Request,
    context: Context,
    me: CurrentUser,
) -> None:
    """Revoke a token, from the next request on."""
    user = None if Right.ADMIN in me.rights else me.user
    token = context.store.tokens.get(token_id, me.tenant, user)
    if token is None:
        raise not_found("token")
    intend(request, account=token.user)
    context.store.tokens.remove(token_id)


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
