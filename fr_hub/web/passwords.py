"""Passwords: Argon2id, in threads of their own, a few at a time."""

import asyncio
import hashlib
import hmac
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import Field

from fr_hub.web.problems import Problem

R = TypeVar("R")

SHORTEST, LONGEST = 12, 256

NewPassword = Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]
"""A password that is set: long enough, whatever its characters (NIST SP 800-63B)."""

GivenPassword = Annotated[str, Field(min_length=1, max_length=LONGEST)]
"""A password that is checked."""

_AT_ONCE = 2
"""Each takes 64 MiB and a core for 0.1 s."""

_WAITING_MAX = 64
_CACHED_MAX = 1000


class Passwords:
    """Hashes and checks passwords.

    The parameters are those of argon2-cffi, the second choice of RFC 9106: 64 MiB, 3 passes, 4
    lanes. A password that was right is remembered, in memory and only as a keyed hash, together
    with the stored hash that it matched. So scripts that send their password with each request do
    not wait for Argon2, and a changed password is asked for at once.

    Args:
        hasher: other parameters.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._nobodys = ""
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, str] = OrderedDict()

    def hash_now(self, password: str) -> str:
        """Hash a password, in this thread."""
        return self._hasher.hash(_normal(password))

    async def hash(self, password: str) -> str:
        """Hash a password.

        Raises:
            Problem: 429, too many passwords wait.
        """
        return await self._run(self.hash_now, password)

    def is_remembered(self, user: str, password: str, stored: str | None) -> bool:
        """Whether this password of the user was right before, for the hash that is stored now."""
        return stored is not None and self._right.get(self._digest(user, password)) == stored

    async def is_right(self, user: str, password: str, stored: str | None) -> bool:
        """Check a password. Without a stored hash it takes as long, and is wrong.

        Raises:
            Problem: 429, too many passwords wait.
        """
        right = await self._run(self._check, password, stored)
        if right and stored is not None:
            self._right[self._digest(user, password)] = stored
            while len(self._right) > _CACHED_MAX:
                self._right.popitem(last=False)
        return right

    async def _run(self, call: Callable[..., R], *arguments: object) -> R:
        if self._waiting >= _WAITING_MAX:
            raise Problem(
                429,
                "busy",
                "Too many passwords are being checked; try again in a few seconds.",
                {"Retry-After": "2"},
            )
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, call, *arguments)
        finally:
            self._waiting -= 1

    def _check(self, password: str, stored: str | None) -> bool:
        if stored is None:
            self._nobodys = self._nobodys or self._hasher.hash(secrets.token_hex(16))
        try:
            self._hasher.verify(stored or self._nobodys, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def _digest(self, user: str, password: str) -> bytes:
        text = f"{user}\0{_normal(password)}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256)


def _normal(password: str) -> str:
    """The same password from every keyboard (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
