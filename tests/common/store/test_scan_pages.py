"""Pages of scans: each scan once, in order, of the tenant alone, whatever the filter."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from common.domain.account import account_of, account_scan_id
from common.domain.states import ReportGenerated
from common.domain.tenant import tenants_of
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.scan_facts import ScanFacts
from common.store.scan_pages import EXAMINED_MAX, Asked, ScanPages
from common.store.schema import SCHEMA_VERSION
from tests.factories import LONG_AGO, edit, inside, make_failed, make_reports, make_scan

TENANTS = tenants_of({"north": ("mr-1", "mr-2")})
HERE, NORTH = TENANTS["default"], TENANTS["north"]
SUBJECTS = ("sub-a", "sub-b", None)


def add(store: DBManager, count: int, pacs: str, **fields: Any) -> list[str]:
    """Scans that arrived a millisecond after each other in pairs, so that times repeat."""
    new = []
    for n in range(count):
        scan, voxels = make_scan(
            scan_id=f"{pacs}-{n:02}", pacs=pacs, subject=SUBJECTS[n % 3], **fields
        )
        new.append(NewScan(scan, voxels))
    store.scans.add(new)
    for n, item in enumerate(new):
        edit(store, item.scan.key, received_at=LONG_AGO + timedelta(milliseconds=n // 2))
    return [item.scan.key for item in new]


def walk(pages: ScanPages, asked: Asked, limit: int = 3) -> Iterator[ScanFacts]:
    after = None
    while True:
        page = pages.page(asked, limit, after)
        assert len(page.scans) <= limit
        yield from page.scans
        if page.next is None:
            return
        assert page.next != after
        after = page.next


def keys(pages: ScanPages, asked: Asked, limit: int = 3) -> list[str]:
    return [one.listed.key for one in walk(pages, asked, limit)]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_each_scan_comes_once_the_newest_first(store: DBManager, limit: int) -> None:
    mine = add(store, 5, "pacs-1") + add(store, 4, "pacs-2")
    theirs = add(store, 4, "mr-1")
    store.erasure.erase([mine[0], theirs[0]])
    edit(store, mine[1], report_generated=ReportGenerated.ERROR)
    edit(store, mine[2], received_at=None)
    for tenant, expected in ((HERE, mine), (NORTH, theirs)):
        found = list(walk(store.scan_pages, Asked(tenant), limit))
        assert sorted(one.listed.key for one in found) == sorted(expected)
        order = [
            (one.listed.received_at or LONG_AGO - timedelta(1), one.listed.key) for one in found
        ]
        assert all(one > other for one, other in pairwise(order))


def test_filters_narrow_the_list(store: DBManager) -> None:
    mine = add(store, 9, "pacs-1") + add(store, 3, "pacs-2")
    theirs = add(store, 3, "mr-1")
    edit(store, mine[3], report_generated=ReportGenerated.ERROR)
    store.erasure.erase([mine[4], theirs[0]])
    pages = store.scan_pages

    def found(**wanted: Any) -> set[str]:
        return set(keys(pages, Asked(HERE, **wanted)))

    assert found(states=("Error",)) == {mine[3]}
    assert found(states=("Erased",)) == {mine[4]}
    assert found(pacs=("pacs-2", "mr-1")) == set(mine[9:])
    assert found(pacs=("mr-1",)) == set()
    assert found(subjects=("sub-a",)) == {mine[n] for n in (0, 3, 6, 9)}
    assert found(subjects=("sub-a",), pacs=("pacs-2",)) == {mine[9]}
    assert found(subjects=()) == set()
    at = LONG_AGO + timedelta(milliseconds=1)
    assert found(since=at, until=at) == {mine[2], mine[3], mine[11]}
    assert found(text="pacs-1-0") == set(mine[:9])
    assert found(text="pacs-1-0", states=("To Do",)) == {*mine[:3], *mine[5:9]}
    assert found(text="pacs-1-0", since=at, until=at) == {mine[2], mine[3]}
    assert found(text="sub-b", pacs=("pacs-1",)) == {mine[n] for n in (1, 7)}
    assert found(text="sub-", subjects=("sub-a",)) == {mine[n] for n in (0, 3, 6, 9)}
    assert found(text="mr-1") == set()


def test_the_report_is_a_filter_and_gives_the_main_results(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    add(store, 2, "pacs-2")
    pages = store.scan_pages
    same: list[dict[str, Any]] = [
        {"verdict": "pass"},
        {"analyzer": "grid"},
        {"analyzer": "grid 1"},
        {"lesions": False},
        {"lesions": False, "verdict": "pass"},
    ]
    other: list[dict[str, Any]] = [
        {"verdict": "fail"},
        {"analyzer": "grid 2"},
        {"analyzer": "volume"},
        {"lesions": True},
    ]
    for wanted in same:
        assert keys(pages, Asked(HERE, **wanted)) == [report.key]
    for wanted in other:
        assert keys(pages, Asked(HERE, **wanted)) == []
    [one] = pages.these(HERE, [report.key, "absent@pacs-1"])
    assert (one.listed.verdict, one.listed.lesions, one.listed.delivered) == ("pass", 0, False)
    assert one.header is not None
    assert one.header.shape == (10, 10)
    assert pages.these(NORTH, [report.key]) == []


def test_a_page_examines_a_bounded_number_of_scans(store: DBManager) -> None:
    inside(store).insert_many(
        [
            {
                "_id": f"scan-{n:05}@pacs-1",
                "schema": SCHEMA_VERSION,
                "scan": {"pacs": "pacs-1"},
                "report_generated": "Done",
                "received_at": LONG_AGO,
            }
            for n in range(EXAMINED_MAX + 10)
        ]
    )
    asked = Asked(HERE, verdict="pass")
    page = store.scan_pages.page(asked, 10)
    assert page.scans == []
    assert page.next is not None
    assert store.scan_pages.page(asked, 10, page.next).next is None


def test_an_account_has_its_own_ecgs_alone_the_newest_first(store: DBManager) -> None:
    ours = HERE.of_accounts()
    mine, other = (account_of(name, LONG_AGO) for name in ("ada", "eve"))
    ids = [account_scan_id(mine, f"{n:02}") for n in range(7)]
    both = (*ids, account_scan_id(other, "00"))
    new = [make_scan(scan_id=one, pacs=ours.uploads) for one in both]
    new.append(make_scan(scan_id=ids[0], pacs="pacs-1"))
    store.scans.add([NewScan(*one) for one in new])
    order = (3, 0, 5, 6, 1, 4, 2)  # not that of their ids
    for age, n in enumerate(order):
        edit(store, f"{ids[n]}@{ours.uploads}", received_at=LONG_AGO - timedelta(seconds=age // 2))
    pages = store.scan_pages
    expected = [f"{ids[n]}@{ours.uploads}" for n in (3, 0, 6, 5, 4, 1, 2)]
    for limit in (1, 3, 100):
        assert keys(pages, Asked(ours, account=mine), limit) == expected
    assert keys(pages, Asked(ours, account=mine, states=("Done",))) == []
    assert keys(pages, Asked(HERE, account=mine)) == []
    store.erasure.erase(expected[:1])
    assert keys(pages, Asked(ours, account=mine)) == expected[1:]
    assert [one.listed.state for one in pages.these(ours, expected[:1])] == ["Erased"]


def test_many_sources_are_listed_in_order(store: DBManager) -> None:
    add(store, 2, "pacs-1")
    for n in range(70):
        make_failed(store, 1, pacs=f"pacs-{n + 10}")
    listed = [one.listed.received_at for one in walk(store.scan_pages, Asked(HERE), 30)]
    found = [at for at in listed if at is not None]
    assert len(found) == 72
    assert found == sorted(found, reverse=True)
