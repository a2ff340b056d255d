"""From documents to numbered batches: in order, looked up, and what was lost is noticed."""

import contextlib
import queue
from collections.abc import Iterator

import pytest

from common.domain.states import ReportGenerated
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.feed_documents import (
    Change,
    ChangeKind,
    Step,
    reports_changed,
    scans_changed,
    scans_to_look_up,
)
from fr_hub.web.live import writers
from fr_hub.web.live.reader import Reader, Taken
from tests.factories import inside, make_claimable, make_reports


class Reading:
    """A reader, and what it reads."""

    def __init__(self, store: DBManager) -> None:
        self._read: queue.Queue[Taken] = queue.Queue()
        tail = store.connection.tail(0.1)
        self.reader = Reader(tail, store.scan_states, self._read.put, get_log())

    def next(self) -> Taken:
        return self._read.get(timeout=30)

    def until_changes(self) -> list[Change]:
        while not (taken := self.next()).batches:
            pass
        return [change for batch in taken.batches for change in batch.changes]

    def until_lost(self) -> None:
        while not self.next().lost:
            pass


@pytest.fixture
def reading(store: DBManager) -> Iterator[Reading]:
    store.connection.feed.begin()
    made = Reading(store)
    with contextlib.closing(made.reader):
        while not made.next().caught_up:
            pass
        yield made


def test_batches_are_numbered_one_after_the_other(store: DBManager, reading: Reading) -> None:
    last = 0
    for _ in range(3):
        make_claimable(store, 2)
        while not (taken := reading.next()).batches:
            pass
        (batch,) = taken.batches
        assert (batch.before, batch.size) == (last, 2)
        assert batch.n > last
        last = batch.n


def test_another_reader_finds_the_same_numbers(store: DBManager, reading: Reading) -> None:
    numbers = []
    for _ in range(3):
        make_claimable(store, 1)
        while not (taken := reading.next()).batches:
            pass
        numbers += [batch.n for batch in taken.batches]
    other = Reading(store)
    with contextlib.closing(other.reader):
        found: list[int] = []
        while len(found) < len(numbers):
            found += [batch.n for batch in other.next().batches]
    assert found == numbers


def test_an_event_that_comes_late_is_not_told(store: DBManager, reading: Reading) -> None:
    claimed = scans_changed(["a@p"], ReportGenerated.IN_PROGRESS, Step.CLAIMED, fence=1)
    new = scans_changed(["a@p", "b@p"], ReportGenerated.TO_DO, Step.NEW, fence=0)
    store.connection.feed.tell(claimed)
    assert reading.until_changes() == [claimed]
    store.connection.feed.tell(new)
    (told,) = reading.until_changes()
    assert list(told.keys) == ["b@p"]


def test_a_report_is_not_ready_after_it_was_delivered(store: DBManager, reading: Reading) -> None:
    (report,) = make_reports(store, 1)
    while not any(one.facts.get("state") == "ready" for one in reading.until_changes()):
        pass
    store.outbox.mark_sent([report.key], 1)
    assert reading.until_changes() == [reports_changed([report.key], "delivered", 1)]
    # Who delivers may tell so before the processor that wrote the report.
    late = reports_changed([report.key, "b@p"], "ready", 1)
    store.connection.feed.tell(late, reports_changed([report.key], "ready", 2))
    told, next_one = reading.until_changes()
    assert list(told.keys) == ["b@p"]
    assert next_one.facts == {"state": "ready", "revision": 2}


@pytest.mark.parametrize("again", ["requested", "redelivered"])
def test_a_report_may_be_ready_again(store: DBManager, reading: Reading, again: str) -> None:
    (report,) = make_reports(store, 1)
    store.undeliverable.mark(report.key, "too large", 1)
    if again == "requested":
        store.report_requests.request([report.key], "pacs-1")
    else:
        store.undeliverable.redeliver([report.key])
    states: list[object] = []
    while states.count("ready") < 2:
        states += [
            one.facts["state"] for one in reading.until_changes() if one.kind is ChangeKind.REPORT
        ]
    assert states == ["ready", "undeliverable", "ready"]


def test_what_was_looked_up_is_not_followed_by_what_led_there(
    store: DBManager, reading: Reading
) -> None:
    (report,) = make_reports(store, 1)
    store.revisions.schedule_reanalysis([report.key], 1)
    done = scans_changed([report.key], ReportGenerated.DONE, Step.ENDED, fence=1)
    states: list[object] = []
    while states[-1:] != ["waiting"] or "done" not in states:
        states += [
            one.facts["state"] for one in reading.until_changes() if one.kind is ChangeKind.SCAN
        ]
    store.connection.feed.tell(
        done, scans_changed(["b@p"], ReportGenerated.TO_DO, Step.NEW, fence=0)
    )
    (told,) = reading.until_changes()
    assert list(told.keys) == ["b@p"]


def test_what_a_writer_did_not_know_is_looked_up(store: DBManager, reading: Reading) -> None:
    (scan,) = make_claimable(store, 1)
    reading.until_changes()
    store.connection.feed.tell(scans_to_look_up([scan.key]))
    (told,) = reading.until_changes()
    assert (list(told.keys), told.facts["state"]) == ([scan.key], "waiting")


def test_a_lost_event_and_a_damaged_one_are_noticed(
    store: DBManager, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "LATE_S", 0.0)
    feed, events = store.connection.feed, inside(store, Collection.EVENTS)
    feed._document()  # taken and never written
    feed.tell(scans_to_look_up(["a@p"]))
    reading.until_lost()
    events.insert_one({"w": feed.writer, "s": feed._number + 1, "at": "x"})
    feed._document()
    feed.tell(scans_to_look_up(["a@p"]))
    reading.until_lost()


def test_what_fails_while_events_are_read_is_a_loss_and_no_end(
    store: DBManager, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("fr_hub.web.live.reader.numbered", None)  # a TypeError when it is called
        make_claimable(store, 1)
        reading.until_lost()
    make_claimable(store, 1)
    assert reading.until_changes()


def test_a_writer_that_was_killed_is_noticed(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "GONE_S", 0.0)
    reading.until_lost()  # the writer that announced itself for this test
