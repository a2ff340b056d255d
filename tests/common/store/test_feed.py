"""The writer of events: numbered, announced, never in the way of a change."""

import threading
from typing import Any

import pytest

from common.domain.scan import Priority
from common.store import feed
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.feed_documents import scans_to_look_up, unpacked
from tests.factories import inside, make_claimable, make_failed, make_report, make_scan, opened
from tests.running import until


def events(store: DBManager) -> list[tuple[str, list[str], str | None]]:
    """Kind, keys and state of each change that was told."""
    found = list(inside(store, Collection.EVENTS).find())
    changes = [one for document in found for one in unpacked(document.get("e")) or []]
    return [(str(one.kind), list(one.keys), one.facts.get("state")) for one in changes]


def test_a_scan_to_its_report_is_an_event_for_each_step(store: DBManager) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    (claim,) = store.claims.claim("owner-1-1-1", 1, 30.0)
    store.claims.complete([(claim, make_report(scan))])
    store.outbox.mark_sent([scan.key], peer="pacs-1")
    until(lambda: len(events(store)) == 5, 10)
    assert events(store) == [
        ("scan", [scan.key], "waiting"),
        ("scan", [scan.key], "analysing"),
        ("scan", [scan.key], "done"),
        ("report", [scan.key], "ready"),
        ("report", [scan.key], "delivered"),
    ]
    documents = list(inside(store, Collection.EVENTS).find())
    assert [one["s"] for one in documents] == [1, 2, 3, 4]
    assert {one["w"] for one in documents} == {store.connection.feed.writer}


def test_a_batch_is_one_event(store: DBManager) -> None:
    scans = make_claimable(store, 5)
    until(lambda: events(store), 10)
    (only,) = events(store)
    assert only == ("scan", [scan.key for scan in scans], "waiting")


def test_changes_that_operators_ask_for_are_told(store: DBManager) -> None:
    (waiting,) = make_claimable(store, 1)
    assert store.priorities.change([waiting.key], Priority.STAT) == {waiting.key}
    store.erasure.erase([waiting.key])
    until(lambda: len(events(store)) == 3, 10)
    assert events(store)[1:] == [("look", [waiting.key], None)] * 2


def test_a_writer_announces_itself_before_a_change_and_says_when_it_ends(
    mongodb_uri: str, store: DBManager
) -> None:
    (waiting,) = make_claimable(store, 1)
    until(lambda: events(store), 10)
    with opened(mongodb_uri, store.connection.name) as other:
        other.priorities.change([waiting.key], Priority.STAT)
        name = other.connection.feed.writer
    mine = list(inside(store, Collection.EVENTS).find({"w": name}))
    assert [one["s"] for one in mine] == [1, 2, 3]
    assert (mine[0]["o"], "e" in mine[1], mine[2]["x"]) == (True, True, True)


def test_who_only_reads_writes_nothing(mongodb_uri: str, store: DBManager) -> None:
    with opened(mongodb_uri, store.connection.name) as other:
        list(other.failed_scans.all())
        name = other.connection.feed.writer
    assert inside(store, Collection.EVENTS).count_documents({"w": name}) == 0


def test_an_announced_writer_is_heard_of_again(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEAT_S", 0.01)
    beats: list[int] = []
    store.connection.feed.open(lambda: beats.append(1))
    until(lambda: len(beats) > 2, 10)
    numbers = [one["s"] for one in inside(store, Collection.EVENTS).find()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_event_that_cannot_be_written_leaves_a_gap_and_no_error(store: DBManager) -> None:
    store.connection.feed.tell(scans_to_look_up([]))  # nothing: no event
    store.connection.feed.tell(scans_to_look_up(["x" * (17 * 1024 * 1024)]))
    store.connection.feed.tell(scans_to_look_up(["a@p"]))
    until(lambda: events(store), 10)
    (document,) = inside(store, Collection.EVENTS).find()
    assert document["s"] == 2


def test_failures_are_looked_up(store: DBManager) -> None:
    scan = make_failed(store, 1)
    until(lambda: any(kind == "look" for kind, _, _ in events(store)), 10)
    assert scan


def test_nobody_changes_anything_before_the_writer_is_announced(store: DBManager) -> None:
    inserting, go_on = threading.Event(), threading.Event()

    class Slow:
        """The collection, in which an announcement takes until ``go_on``."""

        def with_options(self, **options: Any) -> "Slow":
            self.real = inside(store, Collection.EVENTS).with_options(**options)
            return self

        def insert_one(self, document: Any) -> Any:
            inserting.set()
            assert go_on.wait(20)
            return self.real.insert_one(document)

    slow: Any = Slow()
    writer = feed.Feed(slow, store.connection.clock)
    first = threading.Thread(target=writer.begin)
    second = threading.Thread(target=writer.begin)
    first.start()
    assert inserting.wait(20)
    second.start()
    second.join(0.3)
    waited = second.is_alive()
    go_on.set()
    for one in (first, second):
        one.join(20)
    writer.close()
    assert waited
