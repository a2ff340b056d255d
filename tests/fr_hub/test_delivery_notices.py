"""Fr-PACS learns at once that its scan failed for good."""

import contextlib

import pytest

from common.domain.scan_key import scan_id_of
from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.constants import FAILED_SCANS
from common.wire.messages import Ack, Failed, Nack
from tests.factories import document_of, inside, make_failed, make_report, make_reports
from tests.fr_hub.pushing import Reports, next_report, pushing
from tests.running import answer, until


def noticed(store: DBManager, key: str) -> bool:
    return "notice" not in document_of(store, key)


def test_a_failed_scan_is_told_with_its_cause_until_it_is_acknowledged(
    store: DBManager, pacs: Reports
) -> None:
    [key] = make_failed(store, 1, "no brain in it")
    with pushing(store, pacs.settings()):
        with contextlib.closing(pacs.accept()) as channel:
            assert FAILED_SCANS in channel.features
            assert answer(channel) == Failed(scan_id_of(key), "no brain in it")
        with contextlib.closing(pacs.accept()) as channel:  # the first one got lost
            assert answer(channel) == Failed(scan_id_of(key), "no brain in it")
            assert not noticed(store, key)
            channel.send(Ack((scan_id_of(key),)))
            until(lambda: noticed(store, key))
    kinds = [one["kind"] for entry in store.connection.audit.find() for one in entry["events"]]
    assert "notify" in kinds


def test_a_notice_that_is_refused_comes_again_and_reports_go_on(
    store: DBManager, pacs: Reports
) -> None:
    [key] = make_failed(store, 1)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert isinstance(answer(channel), Failed)
        channel.send(Nack(scan_id_of(key), "unavailable", "the disk is full", retry=True))  # type: ignore[arg-type]
        [report] = make_reports(store, 1)
        assert next_report(channel) == report.scan_id
    assert not noticed(store, key)


def test_an_acknowledged_notice_never_counts_as_a_delivered_report(
    store: DBManager, pacs: Reports
) -> None:
    """Both are acknowledged by the scan's id, so only one of them is under way at a time."""
    [key] = make_failed(store, 1)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert isinstance(answer(channel), Failed)
        store.failed_scans.requeue([key])
        [claim] = store.claims.claim("another", 1, 60)
        store.claims.complete([(claim, make_report(claim.scan))])
        channel.send(Ack((claim.scan.scan_id,)))
        assert next_report(channel) == claim.scan.scan_id
        assert store.queries.count_reports() == {True: 0, False: 1}
        channel.send(Ack((claim.scan.scan_id,)))
        until(lambda: store.queries.count_reports()[True] == 1)


def test_a_notice_that_was_under_way_when_connections_ended_comes_later_each_time(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be what ended them: if it always came within a second, reports could not go on."""
    monkeypatch.setattr("fr_hub.delivery.delay_s", lambda tries: 100.0 * tries)
    keys = make_failed(store, 2)
    inside(store, Collection.SCANS).update_one({"_id": keys[1]}, {"$set": {"notice.tries": 8}})
    with pushing(store, pacs.settings()):
        with contextlib.closing(pacs.accept()) as channel:
            assert {type(answer(channel)) for _ in keys} == {Failed}
        began = utc_now().timestamp()

        def delays() -> list[int]:
            due = [document_of(store, key)["notice"]["due_at"] for key in keys]
            return [round((at.timestamp() - began) / 100) for at in due]

        until(lambda: delays() == [1, 9])
