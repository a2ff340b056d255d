"""Fr-HUB's client on a real MongoDB and real sockets: each report leaves until it has arrived."""

import contextlib
import queue
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.domain.scan_key import scan_key
from common.domain.types import utc_now
from common.errors import PeerAway, Refusal
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Leased
from common.store.outbox import Outbox
from common.store.recording import Recorder
from common.wire.messages import Ack, InvalidMessage, Nack
from fr_hub.delivery import LEASE_S
from tests.factories import LONG_AGO, document_of, make_reports, opened
from tests.fr_hub.pushing import (
    Pushing,
    Reports,
    due_at,
    is_sent,
    next_report,
    next_reports,
    pushing,
)
from tests.running import answer, free_port, hub_settings, until

QUIET_S = 0.4
"""Twice as long as a hub of these tests waits between two looks."""


def ids_of(store: DBManager, count: int) -> set[str]:
    """So many reports that wait to be sent; their ids."""
    return {report.scan_id for report in make_reports(store, count)}


# --- on their way --------------------------------------------------------------------------------


def test_a_report_is_leased_sent_and_marked_when_it_is_acknowledged(
    store: DBManager, pacs: Reports
) -> None:
    [report] = make_reports(store, 1)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert next_report(channel) == report.scan_id
        assert not is_sent(store, report.scan_id)
        assert due_at(store, report.scan_id) > utc_now() + timedelta(seconds=5)  # leased
        channel.send(Ack((report.scan_id,)))
        until(lambda: is_sent(store, report.scan_id))
        assert channel.receive(QUIET_S) is None
    document = document_of(store, report.key, Collection.REPORTS)
    assert document["sent_at"] <= utc_now() + timedelta(seconds=5)
    assert "leased_by" not in document


def test_many_reports_are_sent_and_marked_together(store: DBManager, pacs: Reports) -> None:
    wanted = ids_of(store, 300)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept(window=1000)) as channel:
        came = next_reports(channel, 300)
        assert came == wanted
        channel.send(Ack(tuple(came)))
        until(lambda: store.queries.count_reports()[True] == 300)


def test_no_more_reports_are_under_way_than_the_window_of_the_pacs(
    store: DBManager, pacs: Reports
) -> None:
    wanted = ids_of(store, 5)
    with (
        pushing(store, pacs.settings()),
        contextlib.closing(pacs.accept(window=2)) as channel,
    ):
        first = next_reports(channel, 2)
        assert channel.receive(QUIET_S) is None
        channel.send(Ack(tuple(first)))
        second = next_reports(channel, 2)
        channel.send(Ack(tuple(second)))
        third = next_reports(channel, 1)
        channel.send(Ack(tuple(third)))
        assert first | second | third == wanted
        until(lambda: store.queries.count_reports()[True] == 5)


def test_reports_for_another_pacs_are_not_sent_to_this_one(store: DBManager, pacs: Reports) -> None:
    make_reports(store, 1, pacs="pacs-2")
    [mine] = ids_of(store, 1)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert next_report(channel) == mine
        assert channel.receive(QUIET_S) is None


def test_an_acknowledgement_of_what_was_not_sent_marks_nothing(
    store: DBManager, pacs: Reports
) -> None:
    [stranger] = (report.scan_id for report in make_reports(store, 1, pacs="pacs-2"))
    [mine] = ids_of(store, 1)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        next_report(channel)
        channel.send(Ack((stranger, "nobody")))
        channel.send(Nack(stranger, Refusal.HEADER, "not for me", retry=False))
        channel.send(Ack((mine, stranger)))
        until(lambda: is_sent(store, mine))
    assert not is_sent(store, stranger, "pacs-2")
    assert due_at(store, stranger, "pacs-2") < utc_now()


# --- not acknowledged ----------------------------------------------------------------------------


def test_a_refused_report_is_postponed_and_the_others_are_sent(
    store: DBManager, pacs: Reports
) -> None:
    wanted = ids_of(store, 3)
    with (
        pushing(store, pacs.settings(hub_poll_s=60)),
        contextlib.closing(pacs.accept(window=1)) as channel,
    ):
        refused = next_report(channel)
        channel.send(Nack(refused, Refusal.UNAVAILABLE, "the disk is full", retry=True))
        came = set()
        for _ in range(2):  # at once, as there is room again
            came.add(next_report(channel))
            channel.send(Ack(tuple(came)))
        assert came == wanted - {refused}
        until(lambda: store.queries.count_reports()[True] == 2)
    assert not is_sent(store, refused)
    assert due_at(store, refused) > LONG_AGO


def test_after_a_cut_what_was_not_acknowledged_is_sent_again_at_once(
    store: DBManager, pacs: Reports
) -> None:
    wanted = ids_of(store, 4)
    with pushing(store, pacs.settings()):
        with contextlib.closing(pacs.accept()) as channel:
            came = next_reports(channel, 4)
            arrived = min(came)
            channel.send(Ack((arrived,)))
            until(lambda: is_sent(store, arrived))
        began = time.monotonic()
        with contextlib.closing(pacs.accept()) as channel:
            again = set()
            for _ in range(3):  # singly, as one of them may have ended the connection
                again.add(next_report(channel))
                channel.send(Ack(tuple(again)))
            assert time.monotonic() - began < LEASE_S / 2
            until(lambda: store.queries.count_reports()[True] == 4)
    assert (came, again) == (wanted, wanted - {arrived})


def test_what_was_being_leased_when_the_connection_was_cut_is_sent_again_at_once(
    mongodb_uri: str, database: str, pacs: Reports
) -> None:
    with opened(mongodb_uri, database) as plain:
        [mine] = ids_of(plain, 1)
    store = SlowToLease(mongodb_uri, database)
    # Not from what it prints: capfd may lose a line that comes while it is read.
    with contextlib.closing(store), capture_logs() as logs, pushing(store, pacs.settings()):
        with contextlib.closing(pacs.accept()):
            assert store.leased.wait(10)
        until(lambda: any("has closed the connection" in one["event"] for one in logs))
        began = time.monotonic()
        store.gate.set()
        with contextlib.closing(pacs.accept()) as channel:
            assert next_report(channel) == mine
            assert time.monotonic() - began < LEASE_S / 2


class SlowToLease(DBManager):
    """A store whose leases take until the gate is open."""

    def __init__(self, uri: str, database: str) -> None:
        self.leased = threading.Event()
        self.gate = threading.Event()
        super().__init__(uri, database)

    def _record_with(self, recorder: Recorder) -> None:
        super()._record_with(recorder)
        lease = self.outbox.lease

        def slow(*args: Any) -> Leased:
            # Made at once, and told later.
            leases = lease(*args)
            self.leased.set()
            assert self.gate.wait(20)
            return leases

        self.outbox.lease = slow  # type: ignore[method-assign, assignment]


def test_what_is_acknowledged_right_before_a_cut_is_marked(store: DBManager, pacs: Reports) -> None:
    wanted = ids_of(store, 50)
    with pushing(store, pacs.settings()):
        with contextlib.closing(pacs.accept()) as channel:
            next_reports(channel, 50)
            channel.send(Ack(tuple(wanted)))
        until(lambda: store.queries.count_reports()[True] == 50)
        with contextlib.closing(pacs.accept()) as channel:
            assert channel.receive(QUIET_S) is None


def test_a_stored_report_that_is_damaged_is_for_the_pacs_to_refuse_and_the_others_arrive(
    store: DBManager, pacs: Reports
) -> None:
    wanted = ids_of(store, 3)
    damaged = min(wanted)
    store.connection.reports.update_one(
        {"_id": scan_key(damaged, "pacs-1")}, {"$set": {"report.shape": "round"}}
    )
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        events = [answer(channel) for _ in wanted]
        [flaw] = [event for event in events if isinstance(event, InvalidMessage)]
        assert flaw.id == damaged
        channel.send(Nack(damaged, flaw.code, flaw.reason, retry=False))
        channel.send(Ack(tuple(wanted - {damaged})))
        until(lambda: store.queries.count_reports()[True] == 2)
        until(lambda: due_at(store, damaged) > LONG_AGO)


def test_a_connection_that_the_pacs_ends_with_a_reason_is_made_again(
    store: DBManager, pacs: Reports
) -> None:
    [mine] = ids_of(store, 1)
    with (
        pushing(store, pacs.settings()),
        contextlib.closing(pacs.accept()) as channel,
    ):
        next_report(channel)
        channel.send(Nack(None, Refusal.MALFORMED, "the frame is damaged", retry=False))
        with contextlib.closing(pacs.accept()) as second:
            assert next_report(second) == mine


def test_reports_wait_for_a_pacs_that_is_away(store: DBManager) -> None:
    port = free_port()
    [mine] = ids_of(store, 1)
    settings = hub_settings(hub_pacs={"pacs-1": ("127.0.0.1", port)})
    with pushing(store, settings) as client:
        assert not client.ended(QUIET_S)
        assert due_at(store, mine) < utc_now()  # not leased for nothing
        client.stop()
        assert client.ended()


def test_who_answers_with_another_name_gets_no_report(
    store: DBManager, pacs: Reports, capfd: pytest.CaptureFixture[str]
) -> None:
    [mine] = ids_of(store, 1)
    with pushing(store, pacs.settings()):
        with pytest.raises(PeerAway):
            pacs.accept(name="pacs-2")
        with contextlib.closing(pacs.accept()) as channel:
            assert next_report(channel) == mine
    assert "the peer is 'pacs-2', not 'pacs-1': check names" in capfd.readouterr().out


# --- reports that a notification named -----------------------------------------------------------


def test_a_named_report_is_sent_without_a_search(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pushing(store, pacs.settings(hub_poll_s=60)) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        [first] = ids_of(store, 1)
        client.wake()
        assert next_report(channel) == first

        def searching(*_: Any) -> None:
            raise AssertionError("it searched")

        monkeypatch.setattr(Outbox, "_read", searching)
        [report] = make_reports(store, 1)
        client.wake(report.key)
        assert next_report(channel) == report.scan_id
        channel.send(Ack((first, report.scan_id)))
        until(lambda: is_sent(store, report.scan_id))


def test_names_that_keep_coming_do_not_keep_a_client_from_searching(
    store: DBManager, pacs: Reports
) -> None:
    with (
        pushing(store, pacs.settings(hub_poll_s=0.2)) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        [waits] = make_reports(store, 1)  # nothing announces it here
        received: set[str] = set()

        def send_the_next() -> bool:
            [named] = make_reports(store, 1)
            client.wake(named.key)
            received.add(next_report(channel))
            return waits.scan_id in received

        until(send_the_next)


def test_a_named_report_puts_off_no_search(store: DBManager, pacs: Reports) -> None:
    with (
        pushing(store, pacs.settings(hub_poll_s=2)) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        [first] = ids_of(store, 1)
        client.wake()
        assert next_report(channel) == first
        began = time.monotonic()
        [waits] = ids_of(store, 1)  # nothing announces it here
        time.sleep(1.5)
        [named] = make_reports(store, 1)
        client.wake(named.key)
        assert next_report(channel) == named.scan_id
        assert next_report(channel) == waits
        assert time.monotonic() - began < 3


def test_a_name_that_another_wake_up_follows_costs_a_search(
    store: DBManager, pacs: Reports
) -> None:
    with (
        pushing(store, pacs.settings(hub_poll_s=60)) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        reports = make_reports(store, 3)
        client.wake(reports[0].key, reports[1].key)
        assert next_reports(channel, 3) == {one.scan_id for one in reports}


def test_a_name_that_comes_during_a_search_does_not_hide_what_the_search_left(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = make_reports(store, 5)
    search = Outbox.lease
    clients: queue.SimpleQueue[Pushing] = queue.SimpleQueue()

    def interrupted(*args: Any) -> Leased:
        leased = search(*args)
        with contextlib.suppress(queue.Empty):  # only the first time
            clients.get(timeout=1).wake(reports[-1].key)
        return leased

    monkeypatch.setattr(Outbox, "lease", interrupted)
    with pushing(store, pacs.settings(hub_poll_s=60, hub_batch=2)) as client:
        clients.put(client)
        with contextlib.closing(pacs.accept()) as channel:
            assert next_reports(channel, 5) == {one.scan_id for one in reports}


def test_a_named_report_that_only_a_search_finds_is_not_lost_for_the_next_name(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_name = Outbox.lease_named
    with (
        pushing(store, pacs.settings(hub_poll_s=60)) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        [first] = ids_of(store, 1)
        client.wake()
        assert next_report(channel) == first
        tried, following = make_reports(store, 2)
        store.connection.reports.update_one({"_id": tried.key}, {"$set": {"tries": 1}})

        def interrupted(*args: Any) -> Leased:
            leased = by_name(*args)
            client.wake(following.key)
            return leased

        monkeypatch.setattr(Outbox, "lease_named", interrupted)
        client.wake(tried.key)
        assert next_reports(channel, 2) == {tried.scan_id, following.scan_id}


# --- stopping ------------------------------------------------------------------------------------


def test_stopping_waits_for_what_is_under_way_and_sends_nothing_new(
    store: DBManager, pacs: Reports
) -> None:
    first = ids_of(store, 2)
    with (
        pushing(store, pacs.settings()) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        assert next_reports(channel, 2) == first
        client.stop()
        make_reports(store, 1)
        client.wake()
        assert not client.ended(QUIET_S)
        channel.send(Ack(tuple(first)))
        assert client.ended()
        with pytest.raises(PeerAway):
            answer(channel)
    assert store.queries.count_reports() == {True: 2, False: 1}


def test_stopping_does_not_wait_for_a_report_that_is_refused_meanwhile(
    store: DBManager, pacs: Reports
) -> None:
    [mine] = ids_of(store, 1)
    with (
        pushing(store, pacs.settings()) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        next_report(channel)
        client.stop()
        channel.send(Nack(mine, Refusal.UNAVAILABLE, "the disk is full", retry=True))
        assert client.ended()
    assert due_at(store, mine) > utc_now()


def test_stopping_while_the_connection_is_cut_has_the_rest_due_at_once(
    store: DBManager, pacs: Reports
) -> None:
    [mine] = ids_of(store, 1)
    with pushing(store, pacs.settings()) as client:
        with contextlib.closing(pacs.accept()) as channel:
            next_report(channel)
            client.stop()
        assert client.ended()
    assert due_at(store, mine) <= utc_now() + timedelta(seconds=1)


def test_an_idle_client_stops_at_once(store: DBManager, pacs: Reports) -> None:
    with (
        pushing(store, pacs.settings(hub_poll_s=60)) as client,
        contextlib.closing(pacs.accept()) as channel,
    ):
        assert channel.receive(0.1) is None
        client.stop()
        assert client.ended()


def test_a_client_that_waits_for_an_answer_to_its_greeting_stops_at_once(
    store: DBManager, pacs: Reports
) -> None:
    with pushing(store, pacs.settings()) as client:
        connection, _ = pacs._server.accept()
        with connection:
            assert connection.recv(1)  # the hello
            client.stop()
            assert client.ended()
