"""How full the store is, measured cheaply: for Fr-HUB's backpressure."""

from collections.abc import Iterable
from typing import Any

from pymongo.errors import OperationFailure

from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.connection import Connection
from common.store.error_mapping import translated
from common.store.schema import WAITING


class Capacity:
    """Waiting scans and free disk space."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def count_to_do(self, at_most: int) -> int:
        """Number of scans that are ``'To Do'``; counting stops at ``at_most``."""
        wanted = {"report_generated": ReportGenerated.TO_DO}
        return self._db.scans_fast.count_documents(wanted, hint=WAITING, limit=at_most)

    @translated
    def disk_free(self) -> int | None:
        """Free bytes on the disk of MongoDB's data; with several shards, on the fullest one.

        None if MongoDB does not report it: it has no disk, or this user may not ask.
        """
        try:
            stats: Document = self._db.database.command("dbStats")
        except OperationFailure as error:
            if error.code == 13:  # Unauthorized
                return None
            raise
        shards: Iterable[Any] = stats.get("raw", {}).values() or [stats]
        free = [
            int(s["fsTotalSize"] - s["fsUsedSize"])
            for s in shards
            if s.get("fsTotalSize") and "fsUsedSize" in s
        ]
        return min(free, default=None)
