"""The pictures of reports: PNGs, stored by scan and by the hash that the report names."""

from bson.binary import Binary

from common.domain.types import utc_now
from common.store.connection import Connection
from common.store.error_mapping import translated


class PictureReader:
    """Reads pictures."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def get(self, key: str, picture_hash: str) -> bytes | None:
        """The PNG; None if it was removed."""
        name = {"scan": key, "hash": picture_hash}
        found = self._db.pictures.find_one({"_id": name}, {"png": 1})
        return None if found is None else bytes(found["png"])


class PictureWriter:
    """Writes pictures, each before its report, so a reader of the report finds it."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def add(self, key: str, picture_hash: str, png: bytes) -> None:
        """Store a picture, durably. Repeatable."""
        # The scan is part of the key, so retention of one scan keeps another's identical picture.
        name = {"scan": key, "hash": picture_hash}
        document = {"_id": name, "scan_id": key, "png": Binary(png), "created_at": utc_now()}
        self._db.upsert(self._db.pictures, [document])


class Pictures(PictureReader, PictureWriter):
    """Reads and writes pictures."""
