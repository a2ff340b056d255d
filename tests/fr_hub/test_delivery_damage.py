"""Damaged reports, notices and pictures hold up no delivery."""

import contextlib

import pytest

from common.domain.scan_key import scan_id_of
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.messages import Ack, Failed, Report
from tests.common.store.damaged import UNDECODABLE, spoil
from tests.factories import inside, make_failed, make_reports
from tests.fr_hub.pushing import Reports, pushing
from tests.running import answer, until


@pytest.mark.parametrize(
    ("field", "damage"),
    [
        ("tries", "many"),
        ("revision", UNDECODABLE),
        ("report", UNDECODABLE),
        ("report.note", UNDECODABLE),
        ("pacs", "many"),
    ],
)
def test_of_many_reports_all_but_the_damaged_one_arrive_on_one_connection(
    store: DBManager, pacs: Reports, field: str, damage: str
) -> None:
    keys = [report.key for report in make_reports(store, 6)]
    spoil(store, Collection.REPORTS, keys[2], field, damage)
    expected = {*keys} - (set() if field == "tries" else {keys[2]})
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        for _ in expected:
            event = answer(channel)
            assert isinstance(event, Report)
            channel.send(Ack((event.report.scan_id,)))
        until(lambda: store.queries.count_reports()[True] == len(expected))


def test_notices_beside_a_damaged_one_are_told_and_reports_go_on(
    store: DBManager, pacs: Reports
) -> None:
    bad, good = make_failed(store, 2)
    spoil(store, Collection.SCANS, bad, "error.cause", UNDECODABLE)
    [report] = make_reports(store, 1)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        events = [answer(channel) for _ in range(3)]
    told = {event.scan_id for event in events if isinstance(event, Failed)}
    sent = {event.report.scan_id for event in events if isinstance(event, Report)}
    assert told == {scan_id_of(bad), scan_id_of(good)}
    assert sent == {report.scan_id}


def test_a_report_whose_picture_is_damaged_is_sent_without_it(
    store: DBManager, pacs: Reports
) -> None:
    [report] = make_reports(store, 1)
    name = {"scan": report.key, "hash": "0" * 64}
    picture = {"_id": name, "scan_id": report.key, "png": "text"}
    inside(store, Collection.PICTURES).insert_one(picture)
    spoil(store, Collection.PICTURES, name, "png", UNDECODABLE)
    named = {"$set": {"report.picture_hash": "0" * 64}}
    inside(store, Collection.REPORTS).update_one({"_id": report.key}, named)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        event = answer(channel)
        assert isinstance(event, Report)
        assert event.picture is None
        assert event.report.scan_id == report.scan_id
