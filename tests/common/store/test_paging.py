"""Whole collections are read to their ends, whatever is damaged in them."""

from common.store.collections import Collection
from common.store.damage import UNDECODABLE
from common.store.db_manager import DBManager
from common.store.paging import aggregate, foreign, name_of, pages, stream
from tests.common.store.damaged import not_utf8
from tests.factories import inside


def test_pages_go_on_past_ids_and_fields_that_cannot_be_decoded(store: DBManager) -> None:
    meta = inside(store, Collection.META)
    meta.delete_many({})
    good = [{"_id": f"b{n}", "text": "good"} for n in range(4)]
    meta.insert_many([*good, {"_id": 5}, {"_id": None}, {"_id": {"a": 1}}])
    meta.insert_one(
        not_utf8({"_id": "b1to-be-damaged", "text": "good"})
    )  # its id cannot be decoded
    meta.insert_one(not_utf8({"_id": "b2a", "text": "to-be-damaged"}))
    meta.insert_one(not_utf8({"_id": "zto-be-damaged"}))
    for size in (1, 2, 3, 100):
        read = list(pages(meta, {"_id": {"$gte": ""}}, {"text": 1}, size=size))
        assert all(len(page) <= size for page in read)
        names = [(name_of(d), UNDECODABLE in d) for page in read for d in page]
        assert [name for name, damaged in names if not damaged] == ["b0", "b1", "b2", "b3"]
        assert [name for name, damaged in names if damaged] == [
            "b1��obe-damaged",
            "b2a",
            "z��obe-damaged",
        ]
    assert foreign(meta, "", {}) == ["None", "5", "{'a': 1}"]


def test_a_stream_and_an_aggregation_contain_what_cannot_be_decoded(store: DBManager) -> None:
    meta = inside(store, Collection.META)
    meta.delete_many({})
    meta.insert_many(
        [{"_id": "1", "text": "good"}, not_utf8({"_id": "2", "text": "to-be-damaged"})]
    )
    assert [UNDECODABLE in d for d in stream(meta, {}, sort=[("_id", 1)])] == [False, True]
    found = aggregate(meta, [{"$group": {"_id": "$text"}}, {"$sort": {"_id": 1}}])
    assert [UNDECODABLE in d for d in found] == [False, True]


def test_the_name_of_a_document_is_escaped_whatever_its_id_is() -> None:
    assert name_of({"_id": "scan-1@pacs-1"}) == "scan-1@pacs-1"
    assert name_of({"_id": "\x1b[31m"}) == "\\x1b[31m"
    assert name_of({"_id": {"a": "\x1b"}}) == "{'a': '\\x1b'}"
    assert len(name_of({"_id": "x" * 1000})) == 255


def test_a_collection_that_does_not_exist_has_no_foreign_documents(store: DBManager) -> None:
    assert foreign(store.connection.database["none"], "", {}) == []
