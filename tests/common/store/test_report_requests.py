"""Reports that a Fr-PACS asks for again: due once more, whatever became of them before."""

from datetime import UTC, datetime

import pytest

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.delivered import make_old
from tests.factories import (
    document_of,
    inside,
    make_claimable,
    make_failed,
    make_reports,
    state_of,
)
from tests.recorders import Recording


def leased(store: DBManager, pacs: str = "pacs-1") -> list[str]:
    return [report.key for report in store.outbox.lease(pacs, 10, 60)]


def test_a_report_that_was_sent_is_sent_again(store: DBManager) -> None:
    first, second = (report.key for report in make_reports(store, 2))
    leased(store)
    store.outbox.mark_sent([first, second])
    assert store.report_requests.request([first], "pacs-1") == 1
    assert store.report_requests.request([first], "pacs-1") == 0  # it waits to be sent
    [out] = store.outbox.lease("pacs-1", 10, 60)
    assert (out.key, out.tries) == (first, 1)


def test_a_report_that_was_given_up_is_sent_again(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.undeliverable.mark(report.key, "too large")
    assert store.report_requests.request([report.key], "pacs-1") == 1
    assert leased(store) == [report.key]
    assert list(store.undeliverable.all()) == []


def test_what_waits_is_left_as_it_is(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    [waiting] = make_claimable(store, 1)
    leased(store)
    before = document_of(store, report.key, Collection.REPORTS)
    assert store.report_requests.request([report.key, waiting.key, "unknown"], "pacs-1") == 0
    assert document_of(store, report.key, Collection.REPORTS) == before
    assert state_of(store, waiting.key) == ReportGenerated.TO_DO


def test_nobody_asks_for_the_reports_of_another(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.outbox.mark_sent([report.key])
    assert store.report_requests.request([report.key], "pacs-2") == 0
    assert document_of(store, report.key, Collection.REPORTS)["status"] is True


def test_a_failed_scan_is_told_of_again(store: DBManager) -> None:
    [key] = make_failed(store, 1, "no brain in it")
    assert store.report_requests.request([key], "pacs-1") == 0  # it was not told yet
    store.notices.lease("pacs-1", 10, 60)
    store.notices.mark_sent([key])
    assert store.report_requests.request([key], "pacs-1") == 1
    [notice] = store.notices.lease("pacs-1", 10, 60)
    assert (notice.key, notice.cause) == (key, "no brain in it")


def test_the_first_delivery_counts_for_retention(store: DBManager) -> None:
    [key] = make_old(store, 1)
    before = document_of(store, key, Collection.REPORTS)["sent_at"]
    store.report_requests.request([key], "pacs-1")
    assert list(store.retention.due(30, include_report=True)) == []  # it is to be sent
    store.outbox.mark_sent(leased(store))
    assert document_of(store, key, Collection.REPORTS)["sent_at"] == before < datetime.now(UTC)
    assert [due.keys for due in store.retention.due(30, include_report=True)] == [(key,)]


def test_the_report_of_a_purged_scan_is_gone(store: DBManager) -> None:
    [key] = make_old(store, 1)
    list(store.retention.purge(30, include_report=True))
    assert store.report_requests.request([key], "pacs-1") == 0
    assert inside(store, Collection.REPORTS).count_documents({}) == 0


@pytest.mark.parametrize("kind", ["report", "failure"])
def test_it_is_recorded_before_anything_changes(store: DBManager, kind: str) -> None:
    if kind == "report":
        [report] = make_reports(store, 1)
        store.outbox.mark_sent([report.key])
        key, name = report.key, Collection.REPORTS
    else:
        [key] = make_failed(store, 1)
        store.notices.lease("pacs-1", 10, 60)
        store.notices.mark_sent([key])
        name = Collection.SCANS
    before = document_of(store, key, name)

    def look() -> None:
        assert document_of(store, key, name) == before

    recorder = Recording(look)
    assert store.recorded_by(recorder).report_requests.request([key], "pacs-1") == 1
    assert recorder.ids(Kind.REDELIVER) == [key]
    assert document_of(store, key, name) != before
