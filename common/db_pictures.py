"""``DBManager`` for the pictures of reports."""

from bson.binary import Binary

from common.db_connection import Connection
from common.models import utc_now
from common.store_errors import translated


class Pictures(Connection):
    """PNGs, each under the hash that its report names: written before the report, so that who
    sees the report finds the picture, and the same picture twice is one."""

    @translated
    def add_picture(self, scan_id: str, picture_hash: str, png: bytes) -> None:
        """Store a picture, durably. Repeatable."""
        document = {"_id": picture_hash, "scan_id": scan_id, "png": Binary(png)}
        self._upsert(self._pictures, [{**document, "created_at": utc_now()}])

    @translated
    def picture(self, picture_hash: str) -> bytes | None:
        """The PNG; None where it was removed."""
        found = self._pictures.find_one({"_id": picture_hash}, {"png": 1})
        return None if found is None else bytes(found["png"])
