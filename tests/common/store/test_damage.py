"""One damaged document hides no other, and fails no update."""

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from common.store.collections import Collection
from common.store.damage import (
    UNDECODABLE,
    Undecodable,
    decoded,
    encoded,
    exact,
    filters,
    find,
    number,
    whole,
)
from common.store.db_manager import DBManager
from tests.factories import inside


def not_utf8(document: dict[str, Any]) -> RawBSONDocument:
    """The document with the bytes of ``bad`` replaced."""
    return RawBSONDocument(bson.encode(document).replace(b"bad", b"b\xff\xfe"))


def test_documents_beside_an_undecodable_one_are_found(store: DBManager) -> None:
    meta = inside(store, Collection.META)
    meta.insert_many([{"_id": "1", "text": "good"}, {"_id": "3", "text": "good"}])
    meta.insert_one(not_utf8({"_id": "2", "text": "bad"}))
    found = find(meta, {"_id": {"$in": ["1", "2", "3"]}}, {"text": 1}, sort=[("_id", 1)])
    assert [d["_id"] for d in found] == ["1", "2", "3"]
    assert [UNDECODABLE in d for d in found] == [False, True, False]
    assert found[0]["text"] == found[2]["text"] == "good"


def test_a_date_that_python_cannot_hold_is_damage() -> None:
    good = {"_id": 1, "at": bson.datetime_ms.DatetimeMS(0)}
    assert UNDECODABLE not in decoded(RawBSONDocument(bson.encode(good)))
    bad = {"_id": 1, "at": bson.datetime_ms.DatetimeMS(2**62)}
    assert UNDECODABLE in decoded(RawBSONDocument(bson.encode(bad)))


@pytest.mark.parametrize(("stored", "then"), [({"n": 4}, 5), ({}, 1), ({"n": "many"}, 1)])
def test_an_update_counts_on_from_what_is_a_number(
    store: DBManager, stored: dict[str, Any], then: int
) -> None:
    meta = inside(store, Collection.META)
    meta.insert_one({"_id": "x", **stored})
    meta.update_one({"_id": "x"}, [{"$set": {"n": {"$add": [number("n"), 1]}}}])
    found = meta.find_one({"_id": "x"})
    assert found is not None
    assert found["n"] == then


def test_text_that_is_not_utf8_is_encoded_as_it_was() -> None:
    nested = {"a": [{"b": "bad"}, 1, "é"], "name of bad": None}
    stored = not_utf8({"_id": "bad", "n": 7, "nested": nested, "good": "é"})
    document = exact(stored)
    assert document["_id"] == Undecodable(b"b\xff\xfe")
    assert (document["n"], document["good"]) == (7, "é")
    assert encoded(document.items()).raw == stored.raw


def test_documents_are_found_again_whatever_their_ids_are(store: DBManager) -> None:
    meta = inside(store, Collection.META)
    meta.delete_many({})
    meta.insert_many([{"_id": "1"}, {"_id": 2}, {"_id": {"a": 3}}])
    meta.insert_many([not_utf8({"_id": "bad"}), not_utf8({"_id": {"a": ["bad"]}})])
    meta.insert_one(not_utf8({"_id": "good", "text": "bad"}))
    one, *others = filters(find(meta, {}))
    assert meta.count_documents(one) == 3
    assert [meta.count_documents(other) for other in others] == [1, 1, 1]
    assert filters([]) == []


@pytest.mark.parametrize("value", [0, 7, 2**53 - 1])
def test_a_whole_number_is_one(value: int) -> None:
    assert whole(value) == value


@pytest.mark.parametrize("value", [None, True, -1, 1.0, 2**53, "7", [7]])
def test_what_is_no_whole_number_is_none(value: object) -> None:
    assert whole(value) is None
