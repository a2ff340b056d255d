"""Reading the feed: all that is retained, then what comes, whatever happens to the cursor."""

import contextlib
from collections.abc import Iterator

import pytest

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.feed_documents import scans_to_look_up
from common.store.feed_tail import FeedTail, Read
from tests.factories import inside
from tests.running import until


@pytest.fixture
def tail(store: DBManager) -> Iterator[FeedTail]:
    with contextlib.closing(store.connection.tail(0.2)) as tail:
        yield tail


def tell(store: DBManager, key: str) -> None:
    store.connection.feed.tell(scans_to_look_up([key]))


def keys(read: Read) -> list[str]:
    return [one["e"][0][1][0] for one in read.documents]


def until_some(tail: FeedTail) -> Read:
    for _ in range(50):
        if (read := tail.read()).documents:
            return read
    raise AssertionError("nothing came")


def test_what_is_retained_comes_first_then_what_is_written(
    store: DBManager, tail: FeedTail
) -> None:
    tell(store, "a@p")
    read = until_some(tail)
    assert (keys(read), read.anew, read.more) == (["a@p"], True, False)
    tell(store, "b@p")
    read = until_some(tail)
    assert (keys(read), read.anew) == (["b@p"], False)


def test_a_new_cursor_continues(store: DBManager, tail: FeedTail) -> None:
    for key in ("a@p", "b@p"):
        tell(store, key)
    told = keys(until_some(tail))
    while len(told) < 2:
        told += keys(until_some(tail))
    assert tail._cursor is not None
    tail._cursor.close()
    tell(store, "c@p")
    read = until_some(tail)
    assert (keys(read), read.anew) == (["c@p"], False)


def test_if_what_was_read_last_is_gone_everything_is_read_anew(
    store: DBManager, tail: FeedTail
) -> None:
    tell(store, "a@p")
    until_some(tail)
    assert tail._cursor is not None
    tail._cursor.close()
    tail._last = "lost"
    tell(store, "b@p")
    # Nobody waits for an event to be written.
    until(lambda: inside(store, Collection.EVENTS).count_documents({}) == 2)
    read = until_some(tail)
    assert (keys(read), read.anew) == (["a@p", "b@p"], True)


def test_an_empty_collection_is_waited_for(store: DBManager, tail: FeedTail) -> None:
    assert inside(store, Collection.EVENTS).count_documents({}) == 0
    assert not tail.read().documents
    tell(store, "a@p")
    assert keys(until_some(tail)) == ["a@p"]
