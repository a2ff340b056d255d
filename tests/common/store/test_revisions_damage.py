"""Damaged reports and scans hide no other from reanalysis and from verification."""

import pytest

from common.commands.verify import verify
from common.errors import StoreError
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.damaged import DAMAGE, MISSING, UNDECODABLE, spoil
from tests.factories import inside, make_report, make_reports, state_of

REPORTS, SCANS = Collection.REPORTS, Collection.SCANS


def revised(store: DBManager, count: int) -> list[str]:
    """Scans with two revisions."""
    keys = [report.key for report in make_reports(store, count)]
    store.revisions.schedule_reanalysis(keys, 1)
    claims = store.claims.claim("a", count, 60)
    store.claims.complete([(one, make_report(one.scan, revision=2)) for one in claims])
    assert verify(store).gaps == 0
    return keys


@pytest.mark.parametrize(
    "field", ["report", "report.scan_type", "report.analyzer", "report.analyzer.name", "revision"]
)
def test_beside_damaged_reports_all_others_are_listed(store: DBManager, field: str) -> None:
    keys = [report.key for report in make_reports(store, 1 + len(DAMAGE))]
    for key, damage in zip(keys[1:], DAMAGE, strict=True):
        spoil(store, REPORTS, key, field, damage)
    listed = {one.key: one for one in store.revisions.analysed()}
    assert listed.keys() == set(keys)
    good = listed[keys[0]]
    assert (good.revision, good.scan_type, good.analyzer) == (1, "grid", "grid")
    assert {one.key for one in store.revisions.analysed(keys[:3])} == set(keys[:3])


def test_the_list_ends_though_a_key_cannot_be_decoded(store: DBManager) -> None:
    good, bad = revised(store, 2)
    spoil(store, REPORTS, bad, "_id", UNDECODABLE)
    spoil(store, SCANS, bad, "_id", UNDECODABLE)
    assert next(store.revisions.analysed()).key == good
    assert len(list(store.revisions.analysed())) == 2
    assert [one.key for one in store.revisions.revised()] == [good]


@pytest.mark.sample(5)
@pytest.mark.parametrize("name", [SCANS, REPORTS])
@pytest.mark.parametrize("damage", [*(one for one in DAMAGE if one not in (5.5, True)), 10**12])
def test_a_damaged_revision_is_a_gap_and_hides_no_other(
    store: DBManager, name: Collection, damage: object
) -> None:
    good, bad, wrong = revised(store, 3)
    inside(store, Collection.HISTORY).delete_one({"scan_id": wrong})
    spoil(store, name, bad, "revision", damage)
    found = {one.key: one for one in store.revisions.revised()}
    inconsistent = {key for key, one in found.items() if not one.is_consistent}
    assert good in found
    assert good not in inconsistent
    # A scan without the field, or with the first one, was never analysed again.
    unseen = name == SCANS and damage in (MISSING, [1])
    assert inconsistent == {wrong} | (set() if unseen else {bad})


@pytest.mark.parametrize("damage", [MISSING, "text", {"a": 1}, 5.5])
def test_a_damaged_history_is_a_gap_and_hides_no_other(store: DBManager, damage: object) -> None:
    good, bad = revised(store, 2)
    history = inside(store, Collection.HISTORY)
    document = history.find_one_and_delete({"scan_id": bad})
    assert document is not None
    name = {"scan": bad} if damage == MISSING else {"scan": bad, "revision": damage}
    history.insert_one({**document, "_id": name})
    history.insert_one({"_id": "text", "scan_id": good})
    found = {one.key: one.is_consistent for one in store.revisions.revised()}
    assert found == {good: True, bad: False}


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_scans_are_scheduled_beside_damaged_ones(store: DBManager, damage: object) -> None:
    good, *bad = (report.key for report in make_reports(store, 5))
    for key, field in zip(bad, ("attempts", "turn_at", "scan", "fence"), strict=True):
        spoil(store, SCANS, key, field, damage)
    assert store.revisions.schedule_reanalysis([good, *bad], 1) == 5
    assert state_of(store, good) == "To Do"
    assert store.revisions.without_voxels([good, *bad]) == set()


@pytest.mark.sample(8)
@pytest.mark.parametrize("damage", DAMAGE, ids=str)
@pytest.mark.parametrize("field", ["scan", "fence", "attempts", "packing"])
def test_a_damaged_scan_is_read_with_its_report_or_an_error_says_so(
    store: DBManager, field: str, damage: object
) -> None:
    [report] = make_reports(store, 1)
    spoil(store, SCANS, report.key, field, damage)
    try:
        found = store.revisions.reported(report.key)
    except StoreError:
        return
    assert found is not None
    assert found[1] == report
