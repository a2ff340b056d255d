"""Each request is carried out by one runner at a time, and its answer is kept for some days."""

from datetime import timedelta

from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.requests import Begun, KnownRequest
from tests.factories import LONG_AGO, inside

MINE = Begun(is_mine=True)


def test_a_request_is_known_with_its_answer_until_it_expires(store: DBManager) -> None:
    requests = store.requests
    assert requests.begin("a", "body", "one") == MINE
    assert requests.end("a", "one", "{}")
    assert requests.begin("a", "body", "two") == Begun(False, KnownRequest("body", "{}"))
    expired = {"$set": {"expires_at": utc_now()}}
    inside(store, Collection.REQUESTS).update_one({"_id": "a"}, expired)
    assert requests.begin("b", "body", "one") == MINE
    assert [one["_id"] for one in inside(store, Collection.REQUESTS).find()] == ["b"]


def test_while_one_carries_it_out_nobody_else_does(store: DBManager) -> None:
    requests = store.requests
    assert requests.begin("a", "body", "one") == MINE
    running = Begun(False, KnownRequest("body", None, is_running=True))
    assert requests.begin("a", "body", "two") == running
    assert requests.begin("a", "other", "two") == running  # whoever asks compares the bodies
    assert requests.prolong("a", "one")
    assert not requests.prolong("a", "two")
    assert not requests.end("a", "two", "{}")
    requests.forget("a", "two")
    requests.give_up("a", "two")
    assert requests.begin("a", "body", "two") == running
    requests.forget("a", "one")
    assert requests.begin("a", "body", "two") == MINE


def test_another_goes_on_when_the_runner_is_gone_or_gives_up(store: DBManager) -> None:
    requests = store.requests
    assert requests.begin("a", "body", "killed") == MINE
    assert requests.note("a", "killed", "thing")
    gone = {"$set": {"until": LONG_AGO}}
    inside(store, Collection.REQUESTS).update_one({"_id": "a"}, gone)
    taken = requests.begin("a", "body", "two", again=True)
    assert taken == Begun(True, KnownRequest("body", "thing"))
    assert not requests.note("a", "killed", "other")
    assert not requests.end("a", "killed", "other")
    requests.give_up("a", "two")
    assert not requests.begin("a", "other", "three", again=True).is_mine
    assert requests.begin("a", "body", "three", again=True).is_mine


def test_a_request_of_an_earlier_release_may_be_carried_out(store: DBManager) -> None:
    later = utc_now() + timedelta(days=1)
    old = {"_id": "a", "request": "body", "expires_at": later}
    inside(store, Collection.REQUESTS).insert_one(old)
    assert store.requests.begin("a", "body", "one") == Begun(True, KnownRequest("body"))
