"""Pictures of reports: stored by scan and hash."""

from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside

FIRST, SECOND = "1" * 64, "2" * 64


def test_a_picture_is_found_by_its_scan_and_hash(store: DBManager) -> None:
    store.pictures.add("scan", FIRST, b"\x89PNG first")
    store.pictures.add("scan", SECOND, b"\x89PNG second")
    assert store.pictures.get("scan", FIRST) == b"\x89PNG first"
    assert store.pictures.get("scan", SECOND) == b"\x89PNG second"


def test_a_picture_that_is_not_stored_is_none(store: DBManager) -> None:
    store.pictures.add("scan", FIRST, b"\x89PNG")
    assert store.pictures.get("scan", SECOND) is None
    assert store.pictures.get("other", FIRST) is None


def test_adding_a_picture_again_changes_nothing(store: DBManager) -> None:
    store.pictures.add("scan", FIRST, b"\x89PNG")
    before = list(inside(store, Collection.PICTURES).find())
    store.pictures.add("scan", FIRST, b"\x89PNG")
    assert list(inside(store, Collection.PICTURES).find()) == before


def test_scans_with_identical_pictures_keep_one_each(store: DBManager) -> None:
    for scan_id in ("a", "b"):
        store.pictures.add(scan_id, FIRST, b"\x89PNG")
    inside(store, Collection.PICTURES).delete_many({"scan_id": "a"})
    assert store.pictures.get("a", FIRST) is None
    assert store.pictures.get("b", FIRST) == b"\x89PNG"
