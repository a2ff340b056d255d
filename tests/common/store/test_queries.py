"""Counts and lists of what is stored."""

import pytest

from common.domain.states import ReportGenerated
from common.errors import SettingsError
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import edit, inside, make_claimable, make_failed, make_reports, make_scan


def test_scans_are_counted_in_every_state(store: DBManager) -> None:
    assert store.queries.count_states() == dict.fromkeys(map(str, ReportGenerated), 0)
    make_reports(store, 2)
    make_failed(store, 1)
    make_claimable(store, 3)
    store.claims.claim("a", 1, 60)
    assert store.queries.count_states() == {"To Do": 2, "In Progress": 1, "Done": 2, "Error": 1}


def test_reports_are_counted_by_whether_they_were_sent(store: DBManager) -> None:
    assert store.queries.count_reports() == {True: 0, False: 0}
    first, *_ = make_reports(store, 3)
    store.outbox.mark_sent([first.key])
    assert store.queries.count_reports() == {True: 1, False: 2}


def test_states_are_listed_in_order_of_the_ids_across_pages(store: DBManager) -> None:
    count = 20_001  # one more than a page
    names = [f"s{n:05}" for n in range(count)]
    inside(store).insert_many([{"_id": name, "report_generated": "Done"} for name in names])
    inside(store, Collection.REPORTS).insert_many(
        [{"_id": name, "status": n == 0} for n, name in enumerate(names[:2])]
    )
    assert list(store.queries.scan_states()) == [(name, "Done") for name in names]
    assert list(store.queries.report_states()) == [(names[0], True), (names[1], False)]


def test_states_of_given_ids_include_those_that_are_missing(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    [scan] = make_claimable(store, 1)
    inside(store, Collection.REPORTS).insert_one({"_id": "orphan", "status": True})
    assert store.queries.states_of([report.key, scan.key, "orphan", "none"]) == {
        report.key: ("Done", False),
        scan.key: ("To Do", None),
        "orphan": (None, True),
        "none": (None, None),
    }


def test_errors_have_their_cause_and_time_and_are_limited(store: DBManager) -> None:
    ids = make_failed(store, 3, "no brain in it")
    found = store.queries.errors()
    assert {scan_id for scan_id, _, _ in found} == set(ids)
    assert {cause for _, cause, _ in found} == {"no brain in it"}
    assert all(at is not None and at.tzinfo is not None for _, _, at in found)
    assert len(store.queries.errors(limit=2)) == 2


def test_an_unknown_state_is_counted_too(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, report_generated="Purged")
    assert store.queries.count_states()["Purged"] == 1


def test_a_scan_is_named_by_its_key_or_its_id_alone(store: DBManager) -> None:
    scan, voxels = make_scan(scan_id="a")
    others = [make_scan(scan_id=name) for name in ("a-b", "a.b", "aa", "a_", "A")]
    store.scans.add([NewScan(scan, voxels), *(NewScan(*one) for one in others)])
    found = store.queries.keys_of(["a", "a@pacs-1", "a@pacs-2", "b", "aa"])
    assert found == {"a": "a@pacs-1", "a@pacs-1": "a@pacs-1", "aa": "aa@pacs-1"}


def test_an_id_of_several_pacs_must_be_named_with_its_pacs(store: DBManager) -> None:
    for pacs in ("pacs-1", "pacs-2"):
        store.scans.add([NewScan(*make_scan(scan_id="a", pacs=pacs))])
    assert store.queries.keys_of(["a@pacs-2"]) == {"a@pacs-2": "a@pacs-2"}
    with pytest.raises(SettingsError, match="write a@pacs-1 or a@pacs-2"):
        store.queries.keys_of(["a"])


def test_renamed_scans_are_listed_in_order(store: DBManager) -> None:
    keys = sorted(scan.key for scan in make_claimable(store, 3))
    for key in keys[:2]:
        edit(store, key, renamed=True)
    assert list(store.queries.renamed()) == [keys[:2]]
    assert [store.queries.is_renamed(key) for key in keys] == [True, True, False]


def test_a_damaged_scan_that_kept_its_id_is_named_by_it(store: DBManager) -> None:
    scans = inside(store)
    scans.insert_one({"_id": "damaged", "report_generated": "Error"})
    scans.insert_one({"_id": "gone", "report_generated": "Purged"})  # means no Fr-PACS' scan
    assert store.queries.keys_of(["damaged", "gone", "none"]) == {"damaged": "damaged"}
    scan, voxels = make_scan(scan_id="damaged")
    store.scans.add([NewScan(scan, voxels)])
    assert store.queries.keys_of(["damaged"]) == {"damaged": scan.key}
