"""Disk space for uploads under way: reserved before a byte is read, with a share for everyone.

Each tenant has a guaranteed share of the space (``fr_hub.shares``). Within it a user gets at most
half of what the other users have left, so that there is always some for one who comes later; and a
number of uploads at a time.
"""

import threading
from collections import Counter
from collections.abc import Collection

from fr_hub.shares import Shares

UPLOADS_EACH = 16
"""Most uploads of one user at a time."""

ENTRIES_EACH = 200_000
"""Most files and folders in all uploads of one user at a time: their names are kept in memory."""


class NoSpace(Exception):
    """The upload cannot be taken now; the text says which limit keeps it out."""


class Reservations:
    """What is reserved of a number of bytes. Thread-safe.

    Args:
        limit: bytes of all uploads together.
        tenants: those with a guaranteed share.
    """

    def __init__(self, limit: int, tenants: Collection[str]) -> None:
        self._limit = limit
        self._shares = Shares(limit, tenants)
        self._bytes = Counter[str]()
        self._entries = Counter[str]()
        self._uploads = Counter[str]()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """All that is reserved."""
        return self._shares.total_used

    def take(self, tenant: str, user: str, size: int, entries: int) -> None:
        """Reserve space for an upload.

        Raises:
            NoSpace: the user, or the tenant, has as much as it may have now.
        """
        with self._lock:
            if self._uploads[user] >= UPLOADS_EACH:
                raise NoSpace(f"you have {UPLOADS_EACH} uploads under way")
            if self._entries[user] + entries > ENTRIES_EACH:
                raise NoSpace(
                    f"your uploads under way have more than {ENTRIES_EACH:,} files and folders"
                )
            others = self._shares.total_used - self._bytes[user]
            if self._bytes[user] + size > (self._limit - others) // 2:
                raise NoSpace("your uploads under way take half of the space that is left")
            if not self._shares.fits(tenant, size):
                raise NoSpace("your tenant's uploads under way take all of its space")
            self._shares.take(tenant, size)
            self._count(user, size, entries, 1)

    def release(self, tenant: str, user: str, size: int, entries: int) -> None:
        """Return what was taken."""
        with self._lock:
            self._shares.release(tenant, size)
            self._count(user, -size, -entries, -1)

    def _count(self, user: str, size: int, entries: int, uploads: int) -> None:
        self._bytes[user] += size
        self._entries[user] += entries
        self._uploads[user] += uploads
        if not self._uploads[user]:
            for counter in (self._bytes, self._entries, self._uploads):
                del counter[user]
