"""Reports that were given up: out of the way, listed, made due again."""

import pytest

from common.store import undeliverable
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.damaged import DAMAGE, MISSING, UNDECODABLE, spoil
from tests.factories import document_of, make_claimable, make_report, make_reports


def test_a_report_that_was_given_up_is_not_leased_and_is_listed_with_its_cause(
    store: DBManager,
) -> None:
    bad, good = (report.key for report in make_reports(store, 2))
    assert store.undeliverable.mark(bad, "too large", 1)
    assert not store.undeliverable.mark(bad, "again")
    assert [out.key for out in store.outbox.lease("pacs-1", 10, 60)] == [good]
    [found] = store.undeliverable.all()
    assert (found.key, found.pacs, found.cause, found.tries) == (bad, "pacs-1", "too large", 0)
    assert found.at is not None


def test_only_the_revision_that_failed_is_given_up(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    assert not store.undeliverable.mark(report.key, "too large", 2)
    assert len(store.outbox.lease("pacs-1", 10, 60)) == 1


def test_a_report_that_was_sent_is_not_given_up(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.outbox.mark_sent([report.key])
    assert not store.undeliverable.mark(report.key, "too large")


def test_a_report_is_redelivered_with_no_tries_used(store: DBManager) -> None:
    first, second = (report.key for report in make_reports(store, 2))
    for key in (first, second):
        store.outbox.lease("pacs-1", 10, 0)
        store.undeliverable.mark(key, "too large")
    assert store.undeliverable.redeliver([first, "unknown"]) == {first}
    assert store.undeliverable.redeliver([first]) == set()
    [out] = store.outbox.lease("pacs-1", 10, 60)
    assert (out.key, out.tries) == (first, 1)
    assert [one.key for one in store.undeliverable.all()] == [second]


def test_a_later_revision_takes_the_place_of_one_that_was_given_up(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(scan))])
    store.undeliverable.mark(scan.key, "too large")
    store._reports.write([make_report(scan, revision=2)])
    assert [out.revision for out in store.outbox.lease("pacs-1", 10, 60)] == [2]
    assert list(store.undeliverable.all()) == []


def test_lists_longer_than_a_page_are_complete(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undeliverable, "_PAGE", 2)
    keys = sorted(report.key for report in make_reports(store, 5))
    for key in keys:
        store.undeliverable.mark(key, "too large")
    assert [one.key for one in store.undeliverable.all()] == keys
    assert [len(page) for page in store.undeliverable.pages()] == [2, 2, 1]


def test_a_cause_is_stored_as_it_is_and_cut(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.undeliverable.mark(report.key, "$tries" + "x" * 1000)
    stored = document_of(store, report.key, Collection.REPORTS)["undeliverable"]
    assert stored["cause"] == "$tries" + "x" * 294


@pytest.mark.parametrize(
    "field",
    ["pacs", "tries", "report", "undeliverable.cause", "undeliverable.at", "undeliverable.tries"],
)
def test_damaged_ones_are_listed_and_redelivered_with_the_others(
    store: DBManager, field: str
) -> None:
    # Without its time a report is not among them.
    damages = [one for one in DAMAGE if (field, one) != ("undeliverable.at", MISSING)]
    keys = [report.key for report in make_reports(store, 1 + len(damages))]
    for key in keys:
        store.undeliverable.mark(key, "too large")
    for key, damage in zip(keys[1:], damages, strict=True):
        spoil(store, Collection.REPORTS, key, field, damage)
    listed = {one.key: one for one in store.undeliverable.all()}
    assert listed.keys() == set(keys)
    assert listed[keys[0]].cause == "too large"
    assert store.undeliverable.redeliver(keys) == set(keys)
    assert list(store.undeliverable.all()) == []


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_report_with_damaged_tries_can_be_given_up(store: DBManager, damage: object) -> None:
    [report] = make_reports(store, 1)
    spoil(store, Collection.REPORTS, report.key, "tries", damage)
    assert store.undeliverable.mark(report.key, "too large")
    [found] = store.undeliverable.all()
    assert (found.key, found.tries) == (report.key, 0)


def test_the_list_ends_though_a_key_cannot_be_decoded(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undeliverable, "_PAGE", 1)
    good, bad = (report.key for report in make_reports(store, 2))
    for key in (good, bad):
        store.undeliverable.mark(key, "too large")
    spoil(store, Collection.REPORTS, bad, "_id", UNDECODABLE)
    listed = list(store.undeliverable.all())
    assert len(listed) == 2
    assert listed[0].key == good
