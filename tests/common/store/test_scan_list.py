"""Scans are listed newest first, by state, Fr-PACS, subject and time, whatever is damaged."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from bson import Timestamp
from bson.datetime_ms import DatetimeMS

from common.domain.states import ERASED, PURGED
from common.domain.types import utc_now
from common.store import scan_list
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan, scan_document
from common.store.scan_list import ListedScan, Wanted
from common.store.stored_types import FOREIGN, UNREADABLE_ID
from tests.common.store.damaged import not_utf8
from tests.factories import inside, make_claimable, make_failed, make_reports, make_scan

NOW = utc_now()
DAY = timedelta(days=1)
_SCAN = scan_document(NewScan(*make_scan()), NOW)


def plant(
    store: DBManager,
    name: str,
    age: timedelta | None = timedelta(0),
    state: Any = "Done",
    pacs: str = "pacs-1",
    **fields: Any,
) -> str:
    """A stored scan, as it is after its life so far; returns its key."""
    key = f"{name}@{pacs}"
    document = {
        **_SCAN,
        "_id": key,
        "report_generated": state,
        "scan": {**_SCAN["scan"], "scan_id": name, "pacs": pacs, **fields.pop("scan", {})},
        "received_at": None if age is None else NOW - age,
        **fields,
    }
    if document["received_at"] is None:
        del document["received_at"]
    inside(store).insert_one(document)
    return key


def listed(store: DBManager, **wanted: Any) -> list[ListedScan]:
    return list(store.scan_list.scans(Wanted(**wanted)))


def keys(store: DBManager, **wanted: Any) -> list[str]:
    return [scan.key for scan in listed(store, **wanted)]


@pytest.fixture(params=[1, 3, 1000])
def pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pages of this many scans."""
    size = int(request.param)
    monkeypatch.setattr(scan_list, "_PAGE_MIN", 1)
    monkeypatch.setattr(scan_list, "_PAGE_MAX", size)
    monkeypatch.setattr(scan_list, "_JOINED", size)
    return size


@pytest.mark.usefixtures("pages")
def test_the_newest_come_first_over_all_states_and_fr_pacs(store: DBManager) -> None:
    states, names = ("To Do", "Done", "Error", "In Progress"), ("pacs-1", "mr-2")
    planted = [
        plant(store, f"scan-{n}", n * DAY, state, pacs)
        for n, (state, pacs) in enumerate(itertools.product(states * 3, names))
    ]
    assert keys(store) == planted
    assert keys(store, limit=5) == planted[:5]
    assert keys(store, since=NOW - 4 * DAY) == planted[:5]
    assert keys(store, pacs="mr-2") == planted[1::2]
    assert keys(store, states=("Error",)) == [planted[n] for n in (4, 5, 12, 13, 20, 21)]
    assert keys(store, states=("Error", "To Do"), pacs="mr-2", since=NOW - 12 * DAY) == [
        planted[n] for n in (1, 5, 9)
    ]
    assert keys(store, pacs="mr") == []


@pytest.mark.usefixtures("pages")
def test_scans_of_one_moment_are_all_listed(store: DBManager) -> None:
    planted = {plant(store, f"scan-{n:03}") for n in range(50)}
    found = keys(store)
    assert len(found) == 50
    assert set(found) == planted


@pytest.mark.usefixtures("pages")
def test_those_of_a_subject_are_found_by_its_pseudonym(store: DBManager) -> None:
    mine = [
        plant(store, f"mine-{n}", n * DAY, state, scan={"subject": "sub-01"})
        for n, state in enumerate(("Done", "Error", "Done"))
    ]
    plant(store, "another", scan={"subject": "sub-02"})
    plant(store, "nobodys")
    assert keys(store, subject="sub-01") == mine
    assert keys(store, subject="sub-01", states=("Done",)) == [mine[0], mine[2]]
    assert keys(store, subject="sub-01", since=NOW - DAY) == mine[:2]
    assert [scan.subject for scan in listed(store, subject="sub-02")] == ["sub-02"]
    assert keys(store, subject="sub") == []


@pytest.mark.usefixtures("pages")
def test_those_that_came_again_with_a_pseudonym_are_found_by_it_once(store: DBManager) -> None:
    again = [{"subject": "sub-02", "study": "x"}, {"subject": "sub-03"}]
    came = plant(store, "came", DAY, scan={"subject": "sub-01"}, also=again)
    first = plant(store, "first", 2 * DAY, scan={"subject": "sub-02"})
    both = plant(store, "both", scan={"subject": "sub-02"}, also=[{"subject": "sub-02"}])
    assert keys(store, subject="sub-02") == [both, came, first]
    assert keys(store, subject="sub-03") == [came]
    assert keys(store, subject="sub-02", since=NOW - DAY) == [both, came]
    assert keys(store, subject="sub-02", keys=(came, first)) == [came, first]
    assert keys(store, subject="sub-01", keys=(first,)) == []


def test_a_scan_is_listed_with_its_report(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    [scan] = listed(store)
    assert (scan.key, scan.scan_id, scan.pacs) == (report.key, report.scan_id, report.pacs)
    assert (scan.state, scan.verdict, scan.lesions) == ("Done", "pass", 0)
    assert (scan.analyzer, scan.revision, scan.delivered) == ("grid 1", 1, False)
    assert scan.received_at is not None
    assert (scan.priority, scan.cause, scan.damage) == ("routine", None, ())
    store.outbox.mark_sent([report.key])
    assert [scan.delivered for scan in listed(store)] == [True]


def test_a_failed_scan_is_listed_with_its_cause(store: DBManager) -> None:
    make_failed(store, 1, "no brain in it")
    [scan] = listed(store, states=("Error",))
    assert (scan.state, scan.cause, scan.verdict) == ("Error", "no brain in it", None)
    assert scan.ended_at is not None
    make_claimable(store, 1)
    assert len(listed(store, states=("Error",))) == 1


def test_tombstones_are_listed_under_the_fr_pacs_in_their_keys(store: DBManager) -> None:
    gone = {"fence": 1, "schema": 3}
    inside(store).insert_many(
        [
            {"_id": "a@pacs-1", "report_generated": PURGED, "purged_at": NOW, **gone},
            {"_id": "b@mr-2", "report_generated": ERASED, "erased_at": NOW, **gone},
        ]
    )
    assert sorted(keys(store)) == ["a@pacs-1", "b@mr-2"]
    [erased] = listed(store, pacs="mr-2")
    assert (erased.pacs, erased.state, erased.damage) == ("mr-2", ERASED, ())
    assert erased.ended_at == NOW
    assert keys(store, since=NOW - DAY) == []


@pytest.mark.usefixtures("pages")
def test_damaged_scans_are_named_and_hide_no_other(store: DBManager) -> None:
    good = [plant(store, f"good-{n}", n * DAY, "To Do") for n in range(6)]
    damaged = [
        plant(store, "undated", None),
        plant(store, "text", received_at="yesterday"),
        plant(store, "later", received_at=Timestamp(1, 1)),
        plant(store, "several", received_at=[NOW, NOW - DAY]),
        plant(store, "stateless", state=None),
        plant(store, "strange", state="Gone"),
        plant(store, "number", state=7),
        plant(store, "list", state=["Done", "Error"]),
        plant(store, "headless", scan={"pacs": 5}),
    ]
    scans = inside(store)
    scans.insert_one({**_SCAN, "_id": 5, "report_generated": "To Do"})
    scans.insert_one({"_id": {"a": 1}})
    scans.insert_one({"_id": "bare"})
    scans.insert_one({"_id": "no-dict@pacs-1", "scan": "text", "report_generated": "Done"})
    scans.insert_one(not_utf8({**_SCAN, "_id": "xto-be-damaged"}))
    scans.insert_one(not_utf8({**_SCAN, "_id": "state", "report_generated": "to-be-damaged"}))
    found = listed(store)
    assert len(found) == len({scan.key for scan in found}) == len(good) + len(damaged) + 6
    assert [scan.key for scan in found if not scan.damage] == good
    damage = {scan.key: scan.damage for scan in found}
    assert set(damaged) < set(damage)
    assert damage["5"] == damage["{'a': 1}"] == (FOREIGN,)
    assert UNREADABLE_ID in damage["x��obe-damaged"]
    assert "unknown" in damage["strange@pacs-1"][0]
    recent = keys(store, since=NOW - 2 * DAY)
    assert good[:3] == [key for key in recent if key.startswith("good")]
    assert {"undated@pacs-1", "text@pacs-1", "later@pacs-1"} < set(recent)


def test_a_damaged_report_does_not_hide_its_scan(store: DBManager) -> None:
    [report, other] = make_reports(store, 2)
    inside(store, Collection.REPORTS).update_one(
        {"_id": report.key}, {"$set": {"report": "text", "status": "?", "revision": []}}
    )
    inside(store, Collection.REPORTS).delete_one({"_id": other.key})
    found = {scan.key: scan for scan in listed(store)}
    assert (found[report.key].verdict, found[report.key].delivered) == (None, False)
    assert found[other.key].damage == ("it is 'Done' and has no report",)


def test_times_outside_those_that_python_knows_are_no_obstacle(store: DBManager) -> None:
    far = [
        plant(store, name, received_at=DatetimeMS(sign * 2**62))
        for name, sign in (("z", 1), ("a", -1))
    ]
    good = plant(store, "good")
    assert keys(store) == [far[0], good, far[1]]
    assert [scan.received_at for scan in listed(store)][0::2] == [None, None]
