"""A damaged report holds back no other, and is delivered all the same or given up."""

from datetime import timedelta
from functools import partial

import pytest
from bson import Int64, ObjectId
from pymongo import MongoClient

from common.domain.report import BrainReport
from common.domain.types import utc_now
from common.store import outbox
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.damaged import DAMAGE, MISSING, UNDECODABLE, spoil
from tests.factories import Commands, inside, make_reports, opened

REPORTS = Collection.REPORTS
NEWER = 5.5  # of ``schema``: left to the release that wrote it


def keys(store: DBManager, count: int) -> list[str]:
    return [report.key for report in make_reports(store, count)]


def leased(store: DBManager, *, limit: int = 20) -> dict[str, int]:
    """Every report that can be leased, with its tries; each is valid."""
    found: dict[str, int] = {}
    more = True
    while more:
        some = store.outbox.lease("pacs-1", limit, 60)
        for report in some:
            assert BrainReport.model_validate(report.content).key == report.key
            found[report.key] = report.tries
        more = some.more
    return found


@pytest.mark.sample(9)
@pytest.mark.parametrize("limit", [1, 20])
@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize(
    ("field", "kept"),
    [  # whether the report can still be delivered
        ("tries", True),
        ("next_try_at", True),
        ("created_at", True),
        ("leased_by", True),
        ("schema", True),
        ("revision", False),
        ("report", False),
        ("report.scan_id", False),
        ("report.pacs", False),
    ],
)
def test_beside_damaged_reports_all_others_are_delivered(
    store: DBManager, field: str, kept: bool, sized: bool, limit: int
) -> None:
    damages = [one for one in DAMAGE if (field, one) != ("schema", NEWER)]
    good, *bad = keys(store, 1 + len(damages))
    for key, damage in zip(bad, damages, strict=True):
        spoil(store, REPORTS, key, field, damage)
    if not sized:
        store.outbox._sizes["pacs-1"] = 0
    found = leased(store, limit=limit)
    assert good in found
    given_up = {one.key for one in store.undeliverable.all()}
    assert not given_up & found.keys()
    assert given_up | found.keys() == {good, *bad}
    if kept:
        assert not given_up
    else:
        # A report without a revision has the first one.
        first = {key for key, one in zip(bad, damages, strict=True) if one in (MISSING, None)}
        assert given_up == set(bad) - (first if field == "revision" else set())


@pytest.mark.parametrize("name", [5, {"a": 1}, ObjectId(), UNDECODABLE])
@pytest.mark.parametrize("sized", [True, False])
def test_a_report_without_a_key_is_given_up(store: DBManager, name: object, sized: bool) -> None:
    good, bad = keys(store, 2)
    if name == UNDECODABLE:
        spoil(store, REPORTS, bad, "_id", name)
    else:
        document = inside(store, REPORTS).find_one_and_delete({"_id": bad})
        assert document is not None
        inside(store, REPORTS).insert_one({**document, "_id": name})
    if not sized:
        store.outbox._sizes["pacs-1"] = 0
    assert leased(store, limit=1).keys() == {good}
    assert inside(store, REPORTS).count_documents({"undeliverable.at": {"$exists": True}}) == 1


def test_a_report_with_undecodable_content_is_given_up(store: DBManager) -> None:
    good, bad = keys(store, 2)
    spoil(store, REPORTS, bad, "report.note", UNDECODABLE)
    assert leased(store).keys() == {good}
    assert [one.key for one in store.undeliverable.all()] == [bad]


@pytest.mark.parametrize("revision", [0, -1, 2])
def test_a_report_with_a_revision_that_is_none_is_given_up(store: DBManager, revision: int) -> None:
    [key] = keys(store, 1)
    spoil(store, REPORTS, key, "report.revision", revision)
    assert leased(store) == {}
    assert [one.key for one in store.undeliverable.all()] == [key]


def test_damaged_tries_count_from_the_start(store: DBManager) -> None:
    damages = (*DAMAGE, -1, Int64(2**63 - 1))
    found = keys(store, len(damages))
    for key, damage in zip(found, damages, strict=True):
        spoil(store, REPORTS, key, "tries", damage)
    assert leased(store) == dict.fromkeys(found, 1)
    store.outbox.postpone(found, 0)
    assert leased(store) == dict.fromkeys(found, 2)


def test_reports_are_released_beside_damaged_ones(store: DBManager) -> None:
    found = keys(store, 1 + len(DAMAGE))
    leased(store)
    for key, damage in zip(found[1:], DAMAGE, strict=True):
        spoil(store, REPORTS, key, "tries", damage)
    store.outbox.release(found)
    assert leased(store) == dict.fromkeys(found, 1)


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_report_whose_fr_pacs_is_damaged_is_given_up_once_a_hub_looks(
    store: DBManager, damage: object
) -> None:
    good, bad = keys(store, 2)
    spoil(store, REPORTS, bad, "pacs", damage)
    make_reports(store, 2, pacs="pacs-2")
    assert leased(store).keys() == {good}
    assert store.outbox.orphans(["pacs-1"]) == {"pacs-2": 2}
    assert [one.key for one in store.undeliverable.all()] == [bad]


def test_a_report_is_sent_to_no_fr_pacs_but_its_own(store: DBManager) -> None:
    [key] = keys(store, 1)
    spoil(store, REPORTS, key, "pacs", "pacs-2")
    assert store.outbox.lease("pacs-2", 10, 60) == []
    assert [one.key for one in store.undeliverable.all()] == [key]


@pytest.mark.sample(6)
@pytest.mark.parametrize("field", ["revision", "report_generated", "scan"])
@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_reports_of_damaged_scans_are_sent(store: DBManager, field: str, damage: object) -> None:
    good, bad = keys(store, 2)
    inside(store).update_many({}, {"$set": {"report_generated": "Error"}})
    spoil(store, Collection.SCANS, bad, field, damage)
    assert leased(store).keys() == {good, bad}
    assert store.queries.states_of([good])[good] == ("Done", False)


# --- times that are too far ahead ----------------------------------------------------------------


def ahead(store: DBManager, *reports: str) -> None:
    """The server's clock was two days ahead when these were leased."""
    change = {"$set": {"next_try_at": utc_now() + timedelta(days=2)}}
    inside(store, REPORTS).update_many({"_id": {"$in": reports}}, change)


def test_a_lease_made_while_the_clock_was_ahead_is_over(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = keys(store, 3)
    leased(store)
    ahead(store, *found)
    assert leased(store) == {}  # looked for a moment ago
    monkeypatch.setattr(outbox, "_LOOK_AHEAD_IDLE_S", 0)
    assert leased(store) == dict.fromkeys(found, 2)


def test_such_reports_are_found_while_others_are_always_due(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = keys(store, 3)[0]
    ahead(store, old)
    first = store.outbox.lease("pacs-1", 1, 60)
    assert [one.key for one in first] != [old]
    monkeypatch.setattr(outbox, "_LOOK_AHEAD_EVERY_S", 0)
    second = store.outbox.lease("pacs-1", 1, 60)
    assert [one.key for one in second] == [old]
    assert second.more


def test_a_lease_costs_one_read_and_one_update_and_one_look_at_the_scans(
    mongodb_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Commands()
    client = partial(MongoClient, event_listeners=[seen])
    monkeypatch.setattr("common.store.connection.MongoClient", client)
    with opened(mongodb_uri, database) as store:
        make_reports(store, 4)
        store.outbox.lease("pacs-1", 2, 60)  # from here on it knows that they are small
        seen.seen.clear()
        store.outbox.lease("pacs-1", 2, 60)
        commands = [(one["name"], one[one["name"]]) for one in seen.seen]
    first, *others = commands
    assert first == ("find", REPORTS)
    # At the same time, so in either order.
    assert sorted(others) == [("find", Collection.SCANS), ("update", REPORTS)]
