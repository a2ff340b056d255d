"""Users of the API and their tokens."""

import hashlib
import secrets
from collections.abc import Collection as AnyOf
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from common.domain.account import account_of
from common.domain.types import Document, utc_now
from common.domain.user import Principal, Right, Role
from common.store.connection import Connection
from common.store.error_mapping import translated

TOKENS_MAX = 100
"""The most tokens that a user may have."""

_TOKEN_BYTES = 32
_ID_LENGTH = 16


def hash_token(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """A token of 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class User:
    """A user as stored.

    Args:
        password: the hash of the password; None: the user has none, and signs in by tokens only.
        revision: increases with each change.
        password_revision: increases with each new password.
    """

    name: str
    tenant: str
    roles: frozenset[Role]
    password: str | None
    created_at: datetime
    updated_at: datetime
    revision: int
    password_revision: int = 0

    @property
    def principal(self) -> Principal:
        """The user as who makes a request, with all of their roles."""
        return Principal(self.name, self.tenant, self.roles, self.account)

    @property
    def account(self) -> str:
        """What stands for the user in the ids of their ECGs."""
        return account_of(self.name, self.created_at)


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


class Users:
    """Users, their roles, passwords and tokens. Only hashes of passwords and tokens are stored."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    # --- users -------------------------------------------------------------------------------

    @translated
    def add(
        self, name: str, tenant: str, roles: Iterable[Role], password: str | None = None
    ) -> bool:
        """Add a user; False if there is one of this name, in whatever tenant.

        Args:
            password: the hash of the password.
        """
        now = utc_now()
        document: Document = {
            "_id": name,
            "tenant": tenant,
            "roles": sorted(map(str, roles)),
            "password": password,
            "created_at": now,
            "updated_at": now,
            "revision": 1,
        }
        try:
            self._db.users.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    @translated
    def get(self, name: str, tenant: str | None = None) -> User | None:
        """The user of this name; None if there is none, or in another tenant than the given one."""
        found = self._db.users.find_one({"_id": name} | _in(tenant))
        return None if found is None else _user(found)

    @translated
    def of_tenant(self, tenant: str, after: str = "", limit: int = 50) -> list[User]:
        """The users of a tenant whose names come after this one, in order of the names."""
        wanted = {"tenant": tenant, "_id": {"$gt": after}}
        found = self._db.users.find(wanted, sort=[("_id", 1)], limit=limit)
        return [_user(one) for one in found]

    @translated
    def count(self, tenant: str) -> int:
        """How many users a tenant has."""
        return self._db.users.count_documents({"tenant": tenant})

    @translated
    def change(
        self,
        name: str,
        tenant: str | None = None,
        *,
        roles: Iterable[Role] | None = None,
        password: str | None = None,
        revision: int | None = None,
    ) -> User | None:
        """Change a user's roles or password, or both; None if there is no such user. A new
        password ends the user's sessions: see ``Sessions.of``.

        Args:
            tenant: only if the user is in this tenant.
            revision: only if this is the user's revision.
        """
        new: dict[str, Any] = {"updated_at": utc_now()}
        if roles is not None:
            new["roles"] = sorted(map(str, roles))
        more = {"revision": 1}
        if password is not None:
            new["password"] = password
            more["password_revision"] = 1
        wanted = {"_id": name} | _in(tenant) | ({} if revision is None else {"revision": revision})
        found = self._db.users.find_one_and_update(
            wanted,
            # Who was about to take a role from the earlier revision cannot any more.
            {"$set": new, "$inc": more, "$unset": {"leaving": ""}},
            return_document=ReturnDocument.AFTER,
        )
        return None if found is None else _user(found)

    @translated
    def remove(self, name: str, tenant: str | None = None, revision: int | None = None) -> bool:
        """Remove a user and their tokens; False if there is no such user. The tokens go first: a
        later user of this name must not get them.

        Args:
            tenant, revision: as for ``change``.
        """
        wanted = {"_id": name} | _in(tenant) | ({} if revision is None else {"revision": revision})
        if self._db.users.find_one(wanted, {"_id": 1}) is None:
            return False
        self._remove_tokens(
            [one["_id"] for one in self._db.tokens.find({"user": name}, {"_id": 1})]
        )
        self._db.sessions.delete_many({"user": name})
        return self._db.users.delete_one(wanted).deleted_count == 1

    @translated
    def may_leave(self, user: User) -> str | None:
        """Announce that an administrator is about to be removed, or to lose that role; None if the
        tenant has no other who stays. Else what ``end_leaving`` takes, once ``change`` or
        ``remove`` was called with the user's ``revision``.

        Each is announced before the others are counted. So of the last administrators who demote
        each other at once, one stays at least; perhaps all do.
        """
        mark = secrets.token_hex(8)
        wanted = {"_id": user.name, "revision": user.revision}
        self._db.users.update_one(wanted, {"$push": {"leaving": mark}})
        staying = {
            "_id": {"$ne": user.name},
            "roles": str(Role.ADMIN),
            "tenant": user.tenant,
            "leaving.0": {"$exists": False},
        }
        if self._db.users.count_documents(staying, limit=1):
            return mark
        self.end_leaving(user.name, mark)
        return None

    @translated
    def end_leaving(self, name: str, mark: str) -> None:
        """Take back what ``may_leave`` announced."""
        self._db.users.update_one({"_id": name}, {"$pull": {"leaving": mark}})

    @translated
    def count_with(self, role: Role, tenant: str | None = None, *, password: bool = False) -> int:
        """How many users have this role, and, if ``password``, a password to sign in with. Reads
        all users of the tenant, or all users."""
        wanted: Document = {"roles": str(role)} | _in(tenant)
        if password:
            wanted["password"] = {"$type": "string"}
        return self._db.users.count_documents(wanted)

    # --- tokens ------------------------------------------------------------------------------

    @translated
    def add_token(
        self,
        user: str,
        valid: timedelta,
        roles: AnyOf[Role] | None = None,
        label: str = "",
        *,
        parent: str = "",
        withheld: AnyOf[Right] = (),
    ) -> str:
        """Make a token for a user; returns its text, which is stored nowhere. Removes the tokens
        that have expired.

        Args:
            roles: the token has only these of the user's roles; None: all, those that the user
                gets later too.
            parent: the text of the token that this one is made by. It ends with that at the latest,
                and has no role of the same user, and no right, that that has not.
            withheld: rights that it does not give.
        """
        token = new_token()
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
    def of_token(self, token: str, now: datetime | None = None) -> Principal | None:
        """Whose token this is; None if nobody's, or if it has expired. Of the token's roles, those
        that the user still has, but never ``emergency``, whenever the user got it."""
        found = self._db.tokens.find_one({"_id": hash_token(token)})
        if found is None or found["expires_at"] <= (now or utc_now()):
            return None
        user = self.get(found["user"])
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
    def tokens(self, user: str) -> list[Token]:
        """The tokens of a user, the first ``TOKENS_MAX``."""
        found = self._db.tokens.find({"user": user}, sort=[("_id", 1)], limit=TOKENS_MAX)
        return [_token(one) for one in found]

    @translated
    def token(
        self, token_id: str, tenant: str | None = None, user: str | None = None
    ) -> Token | None:
        """The token with this id; None if there is none, or of another tenant or user than the
        given ones."""
        wanted = {"_id": _starting_with(token_id)} | _in(tenant)
        found = self._db.tokens.find_one(wanted if user is None else wanted | {"user": user})
        return None if found is None else _token(found)

    @translated
    def remove_token(self, token_id: str) -> bool:
        """Revoke a token, and those that were made by it; False if there is none of this id."""
        found = self._db.tokens.find_one({"_id": _starting_with(token_id)}, {"_id": 1})
        return found is not None and self._remove_tokens([found["_id"]]) > 0

    def _remove_tokens(self, hashes: list[str]) -> int:
        """Remove these tokens, and those that were made by them; returns how many of these."""
        removed = self._db.tokens.delete_many({"_id": {"$in": hashes}}).deleted_count
        self._db.tokens.delete_many({"parents": {"$in": hashes}})
        return removed


def token_id(token: str) -> str:
    """The id of a token."""
    return hash_token(token)[:_ID_LENGTH]


def _in(tenant: str | None) -> Document:
    return {} if tenant is None else {"tenant": tenant}


def _starting_with(token_id: str) -> Document:
    return {"$gte": token_id, "$lt": token_id + "g"}


def _user(stored: Document) -> User:
    return User(
        name=stored["_id"],
        tenant=stored["tenant"],
        roles=frozenset(map(Role, stored["roles"])),
        password=stored.get("password"),
        created_at=stored["created_at"],
        updated_at=stored["updated_at"],
        revision=stored["revision"],
        password_revision=stored.get("password_revision", 0),
    )


def _token(stored: Document) -> Token:
    roles = stored.get("roles")
    return Token(
        id=stored["_id"][:_ID_LENGTH],
        user=stored["user"],
        label=stored.get("label", ""),
        roles=None if roles is None else frozenset(map(Role, roles)),
        created_at=stored["created_at"],
        expires_at=stored["expires_at"],
    )
