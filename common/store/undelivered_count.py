"""How many reports wait to be delivered."""

from common.domain.types import Document
from common.store.connection import Connection
from common.store.error_mapping import translated

_WAITING: Document = {"pacs": {"$gte": ""}, "status": False, "undeliverable": None}


class UndeliveredCount:
    """Counts reports that no Fr-PACS has yet, without those that were given up."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def count(self) -> int:
        """Their number, of all tenants. Reads a key of an index for each."""
        return self._db.reports.count_documents(_WAITING, hint="to_deliver")
