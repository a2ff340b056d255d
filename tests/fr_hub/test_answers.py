"""What Fr-PACS acknowledges is marked once, and what it refuses for good is given up."""

import contextlib
import threading
from typing import Any

import pytest

from common.store.db_manager import DBManager
from common.wire.messages import Ack
from fr_hub import answers, client, delivery
from tests.factories import make_reports
from tests.fr_hub.pushing import Reports, is_sent, next_report, pushing
from tests.fr_hub.test_delivery import change, delivering, undeliverable
from tests.running import until


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries that follow soon."""
    monkeypatch.setattr(answers, "delay_s", lambda *_: 0.01)


@pytest.mark.usefixtures("quick")
def test_a_report_that_fr_pacs_always_refuses_is_given_up_with_its_reason(
    store: DBManager, pacs: Reports
) -> None:
    [report] = make_reports(store, 1)
    change(store, report.key, {"report.shape": "round"})
    with delivering(store, pacs):
        until(lambda: undeliverable(store), 30)
    assert undeliverable(store) == {report.key: ("Fr-PACS refuses it: shape: must be a list", 5)}


def test_an_acknowledgement_counts_once_however_often_it_comes(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a Fr-PACS could fill Fr-HUB's memory while MongoDB is slow."""
    [report, last] = make_reports(store, 2)
    outbox = type(store.outbox)
    mark, made = outbox.mark_sent, list[delivery.Delivery]()
    marking, gate = threading.Event(), threading.Event()

    def slow(self: Any, *args: Any) -> None:
        marking.set()
        assert gate.wait(30)
        mark(self, *args)

    def remembered(*args: Any) -> delivery.Delivery:
        made.append(delivery.Delivery(*args))
        return made[-1]

    monkeypatch.setattr(outbox, "mark_sent", slow)
    monkeypatch.setattr(client, "Delivery", remembered)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert {next_report(channel), next_report(channel)} == {report.scan_id, last.scan_id}
        for _ in range(10):
            channel.send(Ack((report.scan_id,) * 100))
        assert marking.wait(30)
        channel.send(Ack((last.scan_id,)))
        gate.set()
        until(lambda: is_sent(store, last.scan_id))
        until(lambda: made[0].answered >= 2)
    assert made[0].answered == 2


def test_a_connection_that_ends_while_marks_are_under_way_does_not_repeat_them(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the audit trail would name one delivery twice."""
    [report] = make_reports(store, 1)
    outbox = type(store.outbox)
    mark, marked = outbox.mark_sent, list[list[str]]()
    marking, gate = threading.Event(), threading.Event()

    def slow(self: Any, keys: list[str], *args: Any) -> None:
        marked.append(keys)
        marking.set()
        assert gate.wait(30)
        mark(self, keys, *args)

    close, ending = delivery.Delivery.close, threading.Event()

    async def ended(self: delivery.Delivery, error: Exception | None) -> set[str]:
        ending.set()
        return await close(self, error)

    monkeypatch.setattr(outbox, "mark_sent", slow)
    monkeypatch.setattr(delivery.Delivery, "close", ended)
    with pushing(store, pacs.settings()):
        with contextlib.closing(pacs.accept()) as channel:
            assert next_report(channel) == report.scan_id
            channel.send(Ack((report.scan_id,)))
            assert marking.wait(30)
        assert ending.wait(30)
        gate.set()
        pacs.turn_away()  # the next connection: the first one has ended
    assert is_sent(store, report.scan_id)
    assert marked == [[report.key]]
