"""The reports of uploaded scans count as delivered when they can be read, and the trail says so."""

import contextlib
import time

import pytest

from common.audit.verification import AuditVerifier
from common.audit.writer import AuditWriter
from common.commands.verify import verify
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.outbox import READABLE
from common.store.unit_parts import web_parts
from fr_hub.web.context import WebContext
from fr_hub.web.uploads import delivery
from fr_hub.web.uploads.delivery import deliver, delivering
from tests.factories import inside, make_reports, together
from tests.running import until


def recorded(store: DBManager) -> list[tuple[str, str]]:
    """The scans of ``send`` events, with their outcome."""
    return [
        (key, one["outcome"])
        for entry in store.audit_log.all_entries()
        for one in entry["events"]
        if one["kind"] == "send"
        for key in one["ids"]
    ]


def sent(store: DBManager) -> set[str]:
    return {key for key, is_sent in store.queries.report_states(lambda *_: None) if is_sent}


def test_a_report_is_delivered_once_it_is_stored(context: WebContext, store: DBManager) -> None:
    with (
        contextlib.closing(AuditWriter(store.audit_log, "fr-brain", get_log())) as brain,
        delivering(context.store, ["web", "web-north"], context.log),
    ):
        first = make_reports(store.recorded_by(brain), 1, pacs="web")
        later = make_reports(store.recorded_by(brain), 2, pacs="web-north")
        others = make_reports(store.recorded_by(brain), 1)
        keys = {report.key for report in (*first, *later)}
        until(lambda: sent(store) == keys, 20)
    assert sorted(recorded(store)) == sorted((key, READABLE) for key in keys)
    assert not sent(store) & {report.key for report in others}
    assert verify(store).gaps == 0
    context.audit.wait_durable()
    assert AuditVerifier(store).run().total == 0


def test_reports_that_come_one_after_the_other_are_delivered_together(
    context: WebContext, store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSE_S", 3.0)
    with delivering(context.store, ["web"], context.log):
        [first] = make_reports(store, 1, pacs="web")
        until(lambda: sent(store) == {first.key}, 20)
        later = [report.key for _ in range(5) for report in make_reports(store, 1, pacs="web")]
        until(lambda: sent(store) == {first.key, *later}, 20)
    together_sent = [
        one["ids"]
        for entry in store.audit_log.all_entries()
        for one in entry["events"]
        if one["kind"] == "send"
    ]
    assert sorted(map(sorted, together_sent)) == sorted([[first.key], sorted(later)])


def test_a_report_of_a_fr_pacs_wakes_nobody_here(
    context: WebContext, store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "POLL_S", 60.0)
    searched: list[str] = []
    monkeypatch.setattr(delivery, "deliver", lambda _, source: searched.append(source))
    with delivering(context.store, ["web"], context.log):
        until(lambda: len(searched) >= 2)  # at the start, and as earlier reports are unannounced
        time.sleep(2 * delivery.PAUSE_S)
        before = len(searched)
        make_reports(store, 1)
        time.sleep(0.5)
        assert len(searched) == before
        make_reports(store, 1, pacs="web")
        until(lambda: len(searched) > before)


def test_several_instances_deliver_each_report_once(context: WebContext, store: DBManager) -> None:
    keys = {report.key for report in make_reports(store, 20, pacs="web")}
    together(3, lambda _: deliver(context.store, "web"))
    assert sent(store) == keys
    assert sorted(recorded(store)) == sorted((key, READABLE) for key in keys)


def test_a_damaged_report_is_given_up_and_the_others_are_delivered(store: DBManager) -> None:
    damaged, whole = (report.key for report in make_reports(store, 2, pacs="web"))
    inside(store, Collection.REPORTS).update_one({"_id": damaged}, {"$set": {"report": 7}})
    assert deliver(web_parts(store), "web") == 1
    assert sent(store) == {whole}
    assert [one.key for one in store.undeliverable.all()] == [damaged]
