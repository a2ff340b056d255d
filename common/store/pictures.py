"""``DBManager`` for the pictures of reports."""

from bson.binary import Binary

from common.domain.types import utc_now
from common.store.connection import Connection
from common.store.error_mapping import translated


class Pictures:
    """PNGs, each under its scan and the hash that the report names: written before the report, so
    that who sees the report finds the picture."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def add(self, scan_id: str, picture_hash: str, png: bytes) -> None:
        """Store a picture, durably. Repeatable."""
        # By the scan too: retention takes a scan's picture, not that of one that looks the same.
        name = {"scan": scan_id, "hash": picture_hash}
        document = {"_id": name, "scan_id": scan_id, "png": Binary(png), "created_at": utc_now()}
        self._db.upsert(self._db.pictures, [document])

    @translated
    def get(self, scan_id: str, picture_hash: str) -> bytes | None:
        """The PNG; None where it was removed."""
        name = {"scan": scan_id, "hash": picture_hash}
        found = self._db.pictures.find_one({"_id": name}, {"png": 1})
        return None if found is None else bytes(found["png"])
