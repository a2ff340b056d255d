"""One report never blocks the others: found at the lease, or by sending singly."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from common.domain.types import Document
from common.errors import StoreError
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.messages import Ack
from fr_hub import answers, delivery
from tests.factories import document_of, inside, make_reports
from tests.fr_hub.pushing import Reports, due_at, is_sent, next_report, pushing
from tests.fr_hub.strict_pacs import FRAME, StrictPacs
from tests.running import until


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries that follow soon."""
    for module in (answers, delivery):
        monkeypatch.setattr(module, "delay_s", lambda *_: 0.01)


def undeliverable(store: DBManager) -> dict[str, tuple[str, int]]:
    return {one.key: (one.cause, one.tries) for one in store.undeliverable.all()}


def change(store: DBManager, key: str, fields: Document) -> None:
    assert (
        inside(store, Collection.REPORTS).update_one({"_id": key}, {"$set": fields}).matched_count
    )


@contextlib.contextmanager
def delivering(store: DBManager, pacs: Reports, **given: Any) -> Iterator[StrictPacs]:
    strict = StrictPacs(pacs)
    with pushing(store, pacs.settings(**given)):
        yield strict


@pytest.mark.usefixtures("quick")
def test_fifty_reports_pass_one_that_ends_the_connection_and_it_is_given_up(
    store: DBManager, pacs: Reports
) -> None:
    reports = make_reports(store, 51)
    bad = reports[20]
    change(store, bad.key, {"report.notice": "x" * 2 * FRAME})
    with delivering(store, pacs) as strict:
        until(lambda: store.queries.count_reports()[True] == 50, 30)
        assert strict.connections <= 10
        until(lambda: undeliverable(store), 30)
        connections = strict.connections
    [(key, (cause, tries))] = undeliverable(store).items()
    assert key == bad.key
    assert "over the limit" in cause
    assert tries <= 6
    assert connections <= 10
    assert bad.scan_id not in strict.arrived


def test_a_report_over_the_frame_limit_is_found_before_it_is_read_and_ends_no_connection(
    store: DBManager, pacs: Reports
) -> None:
    reports = make_reports(store, 5)
    change(store, reports[0].key, {"report.notice": "x" * 600 * 1024})
    with delivering(store, pacs, frame_limit_kib=512) as strict:
        until(lambda: store.queries.count_reports()[True] == 4)
        assert strict.connections == 1
    [(key, (cause, _))] = undeliverable(store).items()
    assert key == reports[0].key
    assert "FRAME_LIMIT_KIB" in cause


def test_a_report_that_cannot_be_decoded_is_given_up_at_the_lease(
    store: DBManager, pacs: Reports
) -> None:
    reports = make_reports(store, 5)
    far = {"$toDate": 2**60}  # no year that a date of Python can have
    inside(store, Collection.REPORTS).update_one(
        {"_id": reports[0].key}, [{"$set": {"report.acquired_at": far}}]
    )
    with delivering(store, pacs) as strict:
        until(lambda: store.queries.count_reports()[True] == 4)
        assert strict.connections == 1
    assert undeliverable(store) == {reports[0].key: ("the stored report is damaged", 1)}


def test_a_lost_connection_uses_up_no_try_of_the_reports_that_were_under_way(
    store: DBManager, pacs: Reports
) -> None:
    reports = make_reports(store, 3)
    with pushing(store, pacs.settings()):
        for _ in range(3):
            with contextlib.closing(pacs.accept()) as channel:
                channel.receive(10)
        strict = StrictPacs(pacs)
        until(lambda: store.queries.count_reports()[True] == 3, 30)
    assert set(strict.arrived) == {report.scan_id for report in reports}
    for report in reports:
        # One loss in four may have met a report that was sent alone.
        assert document_of(store, report.key, Collection.REPORTS)["tries"] <= 2


def test_a_slow_answer_uses_up_one_try_however_many_leases_it_takes(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LEASE_S", 0.3)
    [report] = make_reports(store, 1)
    with (
        pushing(store, pacs.settings(hub_poll_s=0.1)),
        contextlib.closing(pacs.accept()) as channel,
    ):
        assert next_report(channel) == report.scan_id
        leases = [due_at(store, report.scan_id)]
        for _ in range(5):
            until(lambda: due_at(store, report.scan_id) > leases[-1])
            leases.append(due_at(store, report.scan_id))
        channel.send(Ack((report.scan_id,)))
        until(lambda: is_sent(store, report.scan_id))
    assert document_of(store, report.key, Collection.REPORTS)["tries"] == 1


def test_whatever_one_report_causes_the_others_are_delivered(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody expects, in the store or anywhere behind it."""
    reports = make_reports(store, 3)
    outbox = type(store.outbox)
    mark, raised = outbox.mark_sent, list[Any]()

    def failing(self: Any, keys: Any, *args: Any) -> None:
        if len(raised) < 2:
            raised.append(keys)
            raise StoreError("strange") if len(raised) == 1 else ZeroDivisionError("stranger")
        mark(self, keys, *args)

    monkeypatch.setattr(outbox, "mark_sent", failing)
    with delivering(store, pacs):
        until(lambda: store.queries.count_reports()[True] == len(reports), 60)
    assert len(raised) == 2
