"""Sessions of people who signed in with a browser. They end on the server, whatever the browser
keeps."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.domain.types import utc_now
from common.store.connection import Connection
from common.store.error_mapping import translated
from common.store.token_documents import hash_token, new_token
from common.store.users import User, Users

TOUCH = timedelta(seconds=30)
"""How often at most the time of a session's last use is written."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session, and when it ends if it is used until then."""

    user: User
    expires_at: datetime


class Sessions:
    """Sessions of users. Only hashes of their tokens are stored."""

    def __init__(self, connection: Connection, users: Users) -> None:
        self._db = connection
        self._users = users

    @translated
    def begin(self, user: User, valid: timedelta) -> str:
        """Begin a session that lasts this long at most; returns its token, which is stored
        nowhere. Removes the sessions that have expired.

        Args:
            user: as read before the password was checked: if the user was changed since, to another
                password or to another user of the same name, nobody can use the session.
        """
        token = new_token()
        now = utc_now()
        self._db.sessions.delete_many({"expires_at": {"$lte": now}})
        self._db.sessions.insert_one(
            {
                "_id": hash_token(token),
                "user": user.name,
                "account": user.account,
                "password_revision": user.password_revision,
                "created_at": now,
                "used_at": now,
                "expires_at": now + valid,
            }
        )
        return token

    @translated
    def of(
        self, token: str, idle: timedelta, now: datetime | None = None, *, use: bool = True
    ) -> Session | None:
        """The session of this token; None if there is none, or if it ended. A session ends with
        its user's password, whether or not ``end_of`` was called, or was overtaken.

        Args:
            idle: a session ends when it was not used for this long, less ``TOUCH``.
            use: whether this is a use of it.
        """
        at = now or utc_now()
        found = self._db.sessions.find_one({"_id": hash_token(token)})
        if found is None or found["expires_at"] <= at or found["used_at"] + idle <= at:
            return None
        user = self._users.get(found["user"])
        if user is None or user.created_at > found["created_at"]:
            return None
        # Sessions that earlier releases began have neither.
        if found.get("account", user.account) != user.account:
            return None
        if found.get("password_revision", 0) != user.password_revision:
            return None
        if use and at - found["used_at"] >= TOUCH:
            # Losing this write costs the user a sign-in, so it need not be durable.
            self._db.sessions_fast.update_one({"_id": found["_id"]}, {"$max": {"used_at": at}})
        return Session(user, found["expires_at"])

    @translated
    def keep(self, token: str, user: User) -> None:
        """Let a session last although its user changed the password: ``user``, after the change."""
        self._db.sessions.update_one(
            {"_id": hash_token(token), "user": user.name},
            {"$set": {"password_revision": user.password_revision}},
        )

    @translated
    def end(self, token: str) -> bool:
        """End a session; False if there was none."""
        return self._db.sessions.delete_one({"_id": hash_token(token)}).deleted_count == 1

    @translated
    def end_of(self, user: str, but: str | None = None) -> int:
        """End the sessions of a user, but not the one of this token; returns their number."""
        kept = {} if but is None else {"_id": {"$ne": hash_token(but)}}
        return self._db.sessions.delete_many({"user": user, **kept}).deleted_count
