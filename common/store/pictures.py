"""The pictures of reports: PNGs, stored by scan and by the hash that the report names."""

from bson.binary import Binary

from common.domain.types import Document, utc_now
from common.store.connection import Connection
from common.store.error_mapping import translated

LARGEST = 16 * 1024 * 1024
"""MongoDB stores no larger document."""

_AROUND = 1024
"""More than what surrounds the PNG in its document, bytes."""


class PictureReader:
    """Reads pictures."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def get(self, key: str, picture_hash: str, largest: int = LARGEST) -> bytes | None:
        """The PNG; None if it was removed, is larger than ``largest`` bytes, or is damaged."""
        wanted: Document = {"_id": {"scan": key, "hash": picture_hash}}
        # Compared by MongoDB: a larger one must not come into memory.
        wanted["$expr"] = {"$lte": [{"$bsonSize": "$$ROOT"}, largest + _AROUND]}
        found = self._db.pictures.find_one(wanted, {"png": 1})
        png = None if found is None else found.get("png")
        return bytes(png) if isinstance(png, bytes) and len(png) <= largest else None


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
