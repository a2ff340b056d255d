"""Users of the API."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from common.domain.account import account_of
from common.domain.types import Document, utc_now
from common.domain.user import Principal, Role
from common.store.connection import Connection
from common.store.error_mapping import translated
from common.store.token_documents import remove_tokens


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


class Users:
    """Users, their roles and passwords. Only hashes of passwords are stored."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

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
        theirs = self._db.tokens.find({"user": name}, {"_id": 1})
        remove_tokens(self._db, [one["_id"] for one in theirs])
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


def _in(tenant: str | None) -> Document:
    return {} if tenant is None else {"tenant": tenant}


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
