"""One damaged document hides no other, and fails no update."""

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from common.store.collections import Collection
from common.store.damage import (
    UNDECODABLE,
    as_stored,
    decoded,
    filters,
    find,
    integer,
    number,
    readable_id,
    this,
    whole,
)
from common.store.db_manager import DBManager
from tests.common.store.damaged import not_utf8
from tests.factories import inside, make_claimable, make_reports


def test_documents_beside_an_undecodable_one_are_found(store: DBManager) -> None:
    meta = inside(store, Collection.META)
    meta.insert_many([{"_id": "1", "text": "good"}, {"_id": "3", "text": "good"}])
    meta.insert_one(not_utf8({"_id": "2", "text": "to-be-damaged"}))
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


def test_a_scan_whose_stored_header_is_damaged_fails_and_the_others_are_claimed(
    store: DBManager,
) -> None:
    first, damaged, last = (scan.key for scan in make_claimable(store, 3))
    store.connection.scans.update_one({"_id": damaged}, {"$set": {"scan.shape": "round"}})
    assert [claim.scan.key for claim in store.claims.claim("owner", 10, 30)] == [first, last]
    ((scan_id, cause, _),) = store.queries.errors()
    assert scan_id == damaged
    assert "damaged" in cause


@pytest.mark.parametrize(
    "damage",
    [
        {"report": "round"},
        {"report.scan_id": "another"},
        {"report.revision": "first"},
        {"report.picture_hash": 1},
    ],
)
def test_a_stored_report_that_no_acknowledgement_could_name_is_passed_over_and_the_others_are_sent(
    store: DBManager, damage: dict[str, object]
) -> None:
    ids = {report.key for report in make_reports(store, 3)}
    damaged = min(ids)
    store.connection.reports.update_one({"_id": damaged}, {"$set": damage})
    sent = {item.key for item in store.outbox.lease("pacs-1", 10, 30)}
    assert sent == ids - {damaged}
    assert store.outbox.lease("pacs-1", 10, 30) == []
    assert store.queries.count_reports()[False] == 3


@pytest.mark.parametrize(("stored", "then"), [(4, 4), (2**40, 2**40), (4.5, 0), ("4", 0)])
def test_only_an_integer_is_one(store: DBManager, stored: Any, then: int) -> None:
    meta = inside(store, Collection.META)
    meta.insert_one({"_id": "x", "n": stored})
    assert meta.find_one({"_id": "x"}, {"n": integer("n")}) == {"_id": "x", "n": then}


NAMES = ["a", "to-be-damaged", "to-be-damaged, too", "ä", "z"]
"""Ids; two of them are made undecodable, and sort last then."""


@pytest.fixture
def named(store: DBManager) -> DBManager:
    meta = inside(store, Collection.META)
    meta.delete_many({})
    meta.insert_many([not_utf8({"_id": name, "text": "good"}) for name in NAMES])
    meta.insert_many([{"_id": 5}, {"_id": {"a": 1}}])  # no strings
    return store


def test_an_id_is_readable_if_it_is_text(named: DBManager) -> None:
    found = list(as_stored(inside(named, Collection.META)).find({}, sort=[("_id", 1)]))
    assert [readable_id(one) for one in found] == [None, "a", "z", "ä", None, None, None]


def test_each_document_can_be_named_whatever_its_id(named: DBManager) -> None:
    meta = inside(named, Collection.META)
    for one in list(as_stored(meta).find({})):
        before = meta.count_documents({})
        meta.delete_many(this(one))
        assert meta.count_documents({}) == before - 1


def test_documents_are_found_again_whatever_their_ids_are(store: DBManager) -> None:
    meta = inside(store, Collection.META)
    meta.delete_many({})
    meta.insert_many([{"_id": "1"}, {"_id": 2}, {"_id": {"a": 3}}])
    meta.insert_many(
        [not_utf8({"_id": "to-be-damaged"}), not_utf8({"_id": {"a": ["to-be-damaged"]}})]
    )
    meta.insert_one(not_utf8({"_id": "good", "text": "to-be-damaged"}))
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
