"""Answers to requests are kept for some days, by the id of the request."""

from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.requests import KnownRequest
from tests.factories import inside


def test_a_request_is_known_with_its_answer_until_it_expires(store: DBManager) -> None:
    requests = store.requests
    assert requests.begin("a", "body") is None
    assert requests.begin("a", "other") == KnownRequest("body", None)
    requests.end("a", "{}")
    assert requests.begin("a", "body") == KnownRequest("body", "{}")
    requests.forget("a")
    assert requests.begin("a", "body") is None
    expired = {"$set": {"expires_at": utc_now()}}
    inside(store, Collection.REQUESTS).update_one({"_id": "a"}, expired)
    assert requests.begin("b", "body") is None
    assert [one["_id"] for one in inside(store, Collection.REQUESTS).find()] == ["b"]
