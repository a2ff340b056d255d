"""Tokens of users, for scripts."""

from collections.abc import Collection as AnyOf
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.domain.types import Document, utc_now
from common.domain.user import Principal, Right, Role
from common.store.connection import Connection
from common.store.error_mapping import translated
from common.store.token_documents import ID_LENGTH, hash_token, new_token, remove_tokens, with_id
from common.store.users import Users

TOKENS_MAX = 100
"""The most tokens that a user may have."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its text.

    Args:
        id: the start of the hash.
        roles: those of its user's roles that it has; None: all.
    """

    id: str
    user: str
    label: str
    roles: frozenset[Role] | None
    created_at: datetime
    expires_at: datetime


class Tokens:
    """Tokens. Only their hashes are stored."""

    def __init__(self, connection: Connection, users: Users) -> None:
        self._db = connection
        self._users = users

    @translated
    def add(
        self,
        user: str,
        valid: timedelta,
        roles: AnyOf[Role] | None = None,
        label: str = "",
        *,
        parent: str = "",
        withheld: AnyOf[Right] = (),
        text: str | None = None,
    ) -> str:
        """Make a token for a user; returns its text, which is stored nowhere. Removes the tokens
        that have expired.

        Args:
            roles: the token has only these of the user's roles; None: all, those that the user
                gets later too.
            parent: the text of the token that this one is made by. It ends with that at the latest,
                and has no role of the same user, and no right, that that has not.
            withheld: rights that it does not give.
            text: of the token, by ``new_token``; None: a new one.
        """
        token = text or new_token()
        now = utc_now()
        expires, parents = now + valid, []
        if parent:
            above = self._db.tokens.find_one({"_id": hash_token(parent)})
            parents = [hash_token(parent), *((above or {}).get("parents") or ())]
            if above is not None:  # else it was revoked just now: nobody can use the new one
                expires = min(expires, above["expires_at"])
                withheld = {*withheld, *map(Right, above.get("withheld") or ())}
                if above["user"] == user and above.get("roles") is not None:
                    own = frozenset(map(Role, above["roles"]))
                    roles = own if roles is None else own & frozenset(roles)
        owner = self._db.users.find_one({"_id": user}, {"tenant": 1})
        self._db.tokens.delete_many({"expires_at": {"$lte": now}})
        self._db.tokens.insert_one(
            {
                "_id": hash_token(token),
                "user": user,
                "tenant": None if owner is None else owner["tenant"],
                "label": label,
                "roles": None if roles is None else sorted(map(str, roles)),
                "parents": parents,
                "withheld": sorted(map(str, withheld)),
                "created_at": now,
                "expires_at": expires,
            }
        )
        return token

    @translated
    def principal(self, token: str, now: datetime | None = None) -> Principal | None:
        """Whose token this is; None if nobody's, or if it has expired. Of the token's roles, those
        that the user still has, but never ``emergency``, whenever the user got it."""
        found = self._db.tokens.find_one({"_id": hash_token(token)})
        if found is None or found["expires_at"] <= (now or utc_now()):
            return None
        user = self._users.get(found["user"])
        if user is None or user.created_at > found["created_at"]:
            return None  # the token of an earlier user of this name
        parents = found.get("parents") or []
        if parents and self._db.tokens.count_documents({"_id": {"$in": parents}}) < len(parents):
            return None  # made while the token that makes it was revoked
        roles, given = user.roles - {Role.EMERGENCY}, found.get("roles")
        if given is not None:
            roles &= frozenset(map(Role, given))
        withheld = frozenset(map(Right, found.get("withheld") or ()))
        return Principal(user.name, user.tenant, roles, user.account, withheld)

    @translated
    def of_user(self, user: str) -> list[Token]:
        """The tokens of a user, the first ``TOKENS_MAX``."""
        found = self._db.tokens.find({"user": user}, sort=[("_id", 1)], limit=TOKENS_MAX)
        return [_token(one) for one in found]

    @translated
    def get(
        self, token_id: str, tenant: str | None = None, user: str | None = None
    ) -> Token | None:
        """The token with this id; None if there is none, or of another tenant or user than the
        given ones."""
        wanted = with_id(token_id)
        given: Document = {"tenant": tenant, "user": user}
        wanted |= {name: value for name, value in given.items() if value is not None}
        found = self._db.tokens.find_one(wanted)
        return None if found is None else _token(found)

    @translated
    def remove(self, token_id: str) -> bool:
        """Revoke a token, and those that were made by it; False if there is none of this id."""
        found = self._db.tokens.find_one(with_id(token_id), {"_id": 1})
        return found is not None and remove_tokens(self._db, [found["_id"]]) > 0


def _token(stored: Document) -> Token:
    roles = stored.get("roles")
    return Token(
        id=stored["_id"][:ID_LENGTH],
        user=stored["user"],
        label=stored.get("label", ""),
        roles=None if roles is None else frozenset(map(Role, roles)),
        created_at=stored["created_at"],
        expires_at=stored["expires_at"],
    )
