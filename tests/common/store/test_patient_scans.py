"""The scans of a patient: under all pseudonyms, of the tenant alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.domain.tenant import Tenant, tenants_of
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import inside, make_scan

TENANTS = tenants_of({"north": ("mr-1",)})
DEFAULT, NORTH = TENANTS["default"], TENANTS["north"]
START = datetime(2026, 1, 1, tzinfo=UTC)


def add(store: DBManager, name: str, hour: int = 0, **fields: Any) -> str:
    """The key of a new scan that arrived at this hour."""
    scan, voxels = make_scan(scan_id=name, **fields)
    store.scans.add([NewScan(scan, voxels)])
    at = START + timedelta(hours=hour)
    inside(store).update_one({"_id": scan.key}, {"$set": {"received_at": at}})
    return scan.key


def again_as(store: DBManager, key: str, subject: str) -> None:
    """The scan came again under this subject."""
    inside(store).update_one({"_id": key}, {"$set": {"also": [{"subject": subject}]}})


def test_a_patient_has_the_scans_of_all_pseudonyms(store: DBManager) -> None:
    first = add(store, "a", 0, subject="sub-01")
    second = add(store, "b", 1, subject="sub-02")
    other = add(store, "c", 2, subject="sub-03")
    again_as(store, other, "sub-02")
    add(store, "d", 3, subject="sub-04")
    add(store, "e", 4)
    found = store.patient_scans.page(DEFAULT, ["sub-01", "sub-02"], 10)
    assert [one.key for one in found] == [other, second, first]
    assert store.patient_scans.keys(DEFAULT, ["sub-01", "sub-02"]) == sorted([first, second, other])
    assert store.patient_scans.page(DEFAULT, [], 10) == []
    assert store.patient_scans.keys(DEFAULT, []) == []


def test_a_scan_that_is_found_both_ways_is_told_once(store: DBManager) -> None:
    key = add(store, "a", subject="sub-01")
    again_as(store, key, "sub-02")
    found = store.patient_scans.page(DEFAULT, ["sub-01", "sub-02"], 10)
    assert [one.key for one in found] == [key]


@pytest.mark.parametrize(
    ("tenant", "found"),
    [(DEFAULT, ["a@pacs-1", "c@web"]), (NORTH, ["b@mr-1", "d@web-north"])],
    ids=["default", "north"],
)
def test_another_tenants_scans_are_not_found(
    store: DBManager, tenant: Tenant, found: list[str]
) -> None:
    sources = {"a": "pacs-1", "b": "mr-1", "c": "web", "d": "web-north", "e": "web-south"}
    for name, pacs in sources.items():
        add(store, name, pacs=pacs, subject="sub-01")
    assert store.patient_scans.keys(tenant, ["sub-01"]) == found
    page = store.patient_scans.page(tenant, ["sub-01"], 10)
    assert sorted(one.key for one in page) == found


def test_pages_follow_each_other_though_times_are_equal(store: DBManager) -> None:
    keys = [add(store, f"s-{n}", n // 3, subject=f"sub-0{n % 2}") for n in range(7)]
    again_as(store, keys[3], "sub-01")
    seen: list[str] = []
    after = None
    while page := store.patient_scans.page(DEFAULT, ["sub-00", "sub-01"], 2, after):
        seen += [one.key for one in page]
        after = page[-1].received_at, page[-1].key
    assert seen == sorted(keys, reverse=True)


def test_erased_scans_are_nobodys(store: DBManager) -> None:
    key = add(store, "a", subject="sub-01")
    store.erasure.erase([key], by="ada")
    assert store.patient_scans.keys(DEFAULT, ["sub-01"]) == []
