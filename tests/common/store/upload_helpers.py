"""What tests of uploads share."""

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import (
    inside,
)


def end(store: DBManager, new: NewScan) -> None:
    assert new.blob is not None
    store.uploads.end(new.scan.key, new.blob)


def left(store: DBManager) -> tuple[int, int, int]:
    """Scans, chunks and upload records that are stored."""
    names = (Collection.SCANS, Collection.CHUNKS, Collection.UPLOADS)
    scans, chunks, uploads = (inside(store, name).count_documents({}) for name in names)
    return scans, chunks, uploads
