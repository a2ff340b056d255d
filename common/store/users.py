"""Users of the API and their tokens."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from common.domain.types import Document, utc_now
from common.domain.user import Principal, Role
from common.store.connection import Connection
from common.store.error_mapping import translated

_TOKEN_BYTES = 32


def _hashed(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


class Users:
    """Users, their roles and tokens. Only hashes of tokens are stored."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def add(self, name: str, tenant: str, roles: Iterable[Role]) -> bool:
        """Add a user; False if there is one of this name."""
        document: Document = {
            "_id": name,
            "tenant": tenant,
            "roles": sorted(map(str, roles)),
            "created_at": utc_now(),
        }
        try:
            self._db.users.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    @translated
    def add_token(self, user: str, valid: timedelta) -> str:
        """Make a token for a user; returns its text, which is stored nowhere."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = utc_now()
        self._db.tokens.insert_one(
            {"_id": _hashed(token), "user": user, "created_at": now, "expires_at": now + valid}
        )
        return token

    @translated
    def of_token(self, token: str, now: datetime | None = None) -> Principal | None:
        """Whose token this is; None if nobody's, or if it has expired."""
        found = self._db.tokens.find_one({"_id": _hashed(token)})
        if found is None or found["expires_at"] <= (now or utc_now()):
            return None
        user = self._db.users.find_one({"_id": found["user"]})
        if user is None:
            return None
        return Principal(user["_id"], user["tenant"], frozenset(map(Role, user["roles"])))
