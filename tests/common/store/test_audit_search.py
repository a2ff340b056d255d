"""Events are found by scan, user, kind and time, in pages, and never another tenant's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.domain.audit_chain import FIRST, make_entry
from common.domain.audit_events import Kind, event
from common.domain.tenant import tenants_of
from common.domain.types import Document
from common.store import audit_search
from common.store.audit_search import FoundEvent, WantedEvents, seen_by
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.profiling import examined

TENANTS = tenants_of({"north": ("mr-1",)})
HERE, NORTH = TENANTS["default"], TENANTS["north"]
BEGAN = datetime(2026, 11, 29, 8, tzinfo=UTC)


def view(user: str, tenant: str = "default", *ids: str) -> Document:
    return event(Kind.VIEW, ids, facts={"by": user, "tenant": tenant})


def write(store: DBManager, writer: str, *entries: list[Document]) -> None:
    """One entry a minute, in one chain."""
    previous = FIRST
    for seq, events in enumerate(entries):
        entry = {
            **make_entry(writer, seq, previous, events),
            "at": BEGAN + timedelta(minutes=seq),
        }
        store.audit_log.add(entry)
        previous = entry["hash"]


def all_pages(store: DBManager, wanted: WantedEvents, limit: int) -> list[list[FoundEvent]]:
    pages, after = [], None
    while True:
        page, after = store.audit_search.find(wanted, limit, after)
        pages.append(page)
        if after is None:
            return pages


def users_in(found: list[FoundEvent]) -> list[str]:
    return [one.event["by"] for one in found]


def test_pages_have_each_event_once_and_the_newest_first(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_search, "ENTRIES", 2)
    entries = [[view(f"user-{10 * seq + n}") for n in range(3)] for seq in range(5)]
    write(store, "fr-web-1", *entries)
    write(store, "fr-web-2", [view("user-at-the-same-time")])
    expected = users_in([one for page in all_pages(store, WantedEvents(HERE), 500) for one in page])
    assert len(set(expected)) == len(expected) == 16
    assert expected[:3] == ["user-42", "user-41", "user-40"]
    for limit in (1, 2, 3, 7):
        pages = all_pages(store, WantedEvents(HERE), limit)
        assert max(map(len, pages)) <= limit
        assert [name for page in pages for name in users_in(page)] == expected


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["ada", "bob", "ada"]),
        ({"user": "ada"}, ["ada", "ada"]),
        ({"user": "ada", "scan": "b@pacs-1"}, []),
        ({"scan": "b@pacs-1"}, ["bob"]),
        ({"scan": "c@mr-1"}, []),
        ({"kinds": ("change",)}, ["ada"]),
        ({"since": BEGAN + timedelta(seconds=30)}, ["ada"]),
        ({"until": BEGAN + timedelta(seconds=30)}, ["bob", "ada"]),
        ({"user": "eve"}, []),
    ],
)
def test_events_are_chosen(store: DBManager, wanted: dict[str, Any], found: list[str]) -> None:
    change = event(Kind.CHANGE, facts={"by": "ada", "tenant": "default"})
    write(
        store,
        "fr-web-1",
        [view("ada", "default", "a@pacs-1"), view("bob", "default", "b@pacs-1")],
        [change, view("eve", "north", "c@mr-1")],
    )
    events, after = store.audit_search.find(WantedEvents(HERE, **wanted), 50)
    assert after is None
    assert users_in(events) == found


@pytest.mark.parametrize(
    ("one", "here", "north"),
    [
        ({"kind": "view", "tenant": "default", "ids": ["a@mr-1"]}, True, False),
        ({"kind": "receive", "ids": ["a@pacs-1"], "peer": "pacs-1"}, True, False),
        ({"kind": "receive", "ids": ["a@mr-1"]}, False, True),
        ({"kind": "receive", "ids": ["old"]}, True, False),
        ({"kind": "connect", "peer": "mr-1"}, False, True),
        ({"kind": "refuse", "peer": "192.0.2.7"}, True, False),
        ({"kind": "opened"}, True, False),
        ({"kind": "receive", "ids": [7]}, False, False),
    ],
)
def test_a_tenant_knows_of_its_own_events_alone(one: Document, here: bool, north: bool) -> None:
    assert (seen_by(HERE, one) is not None, seen_by(NORTH, one) is not None) == (here, north)


def test_of_an_event_of_several_tenants_each_sees_its_own_scans() -> None:
    one = {"kind": "claim", "ids": ["a@pacs-1", "b@mr-1"]}
    assert seen_by(HERE, one) == {"kind": "claim", "ids": ["a@pacs-1"]}
    assert seen_by(NORTH, one) == {"kind": "claim", "ids": ["b@mr-1"]}


def test_a_search_reads_what_it_returns(store: DBManager) -> None:
    hub = [[event(Kind.RECEIVE, [f"s-{n}@pacs-1"])] for n in range(300)]
    hub[5].append(view("ada", "default", "s-2@pacs-1"))
    write(store, "fr-hub-1", *hub)
    for wanted, most in (
        (WantedEvents(HERE, user="ada"), 5),
        (WantedEvents(HERE, scan="s-2@pacs-1"), 8),
        (WantedEvents(HERE, user="nobody"), 2),
        (WantedEvents(HERE, until=BEGAN + timedelta(minutes=3)), 8),
        (WantedEvents(HERE), 2 * audit_search.ENTRIES + 5),
    ):
        with examined(store, Collection.AUDIT) as read:
            store.audit_search.find(wanted, 50)
        assert read.documents + read.keys <= most, (wanted, read)
        assert "COLLSCAN" not in read.plans


def test_a_damaged_entry_hides_no_other(store: DBManager) -> None:
    write(store, "fr-web-1", [view("ada")], [view("bob")])
    for foreign in (
        {"_id": {"writer": "x", "seq": 0}, "at": BEGAN, "events": 7},
        {"_id": {"writer": "y", "seq": 0}, "at": BEGAN, "events": [7, {"kind": "view", "ids": 3}]},
        {"_id": {"writer": "z", "seq": 0}, "at": "noon", "events": []},
    ):
        store.connection.audit.insert_one(foreign)
    events, _ = store.audit_search.find(WantedEvents(HERE), 50)
    assert [one.event["by"] for one in events if "by" in one.event] == ["bob", "ada"]
    assert store.audit_search.find(WantedEvents(HERE, scan="a@pacs-1"), 50) == ([], None)
