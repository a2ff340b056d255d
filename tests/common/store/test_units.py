"""The units, as they last told."""

from datetime import timedelta

import pytest

from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.units import GONE_KEPT, GONE_S, STOPPED_KEPT, Units
from tests.factories import inside


def seen(store: DBManager, age: timedelta, **fields: object) -> None:
    changed = {"seen_at": utc_now() - age, **fields}
    inside(store, Collection.UNITS).update_many({}, {"$set": changed})


def test_a_process_runs_until_it_ends(store: DBManager) -> None:
    store.units.begin("fr-hub")
    (unit,) = store.units.all()
    assert (unit.unit, unit.state) == ("fr-hub", "running")
    assert None not in (unit.host, unit.version, unit.started_at, unit.seen_at)
    store.units.beat("fr-hub")
    (again,) = store.units.all()
    assert (again.id, again.started_at, again.state) == (unit.id, unit.started_at, "running")
    store.units.end("fr-hub")
    assert [one.state for one in store.units.all()] == ["stopped"]


def test_one_that_tells_nothing_any_more_is_gone(store: DBManager) -> None:
    store.units.begin("fr-hub")
    seen(store, timedelta(seconds=2 * GONE_S))
    assert [one.state for one in store.units.all()] == ["gone"]


def test_pacs_are_connected_as_long_as_they_are_noted(store: DBManager) -> None:
    store.units.note_pacs([])
    store.units.note_pacs(["mr-1"])
    (pacs,) = store.units.all()
    assert (pacs.unit, pacs.name, pacs.host, pacs.state) == ("fr-pacs", "mr-1", None, "connected")
    seen(store, timedelta(seconds=2 * GONE_S))
    assert [one.state for one in store.units.all()] == ["away"]


@pytest.mark.parametrize(
    ("state", "age", "swept"),
    [
        ("stopped", STOPPED_KEPT + timedelta(hours=1), 1),
        ("stopped", STOPPED_KEPT - timedelta(hours=1), 0),
        ("running", GONE_KEPT + timedelta(hours=1), 1),
        ("running", GONE_KEPT - timedelta(hours=1), 0),
    ],
)
def test_what_ended_long_ago_is_deleted(
    store: DBManager, state: str, age: timedelta, swept: int
) -> None:
    store.units.begin("fr-hub")
    seen(store, age, state=state)
    assert store.units.sweep() == swept


def test_no_more_than_the_newest_are_kept(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.store.units.LISTED_MAX", 2)
    for _ in range(3):
        Units(store.connection).begin("fr-hub")
    assert store.units.sweep() == 1
    assert len(store.units.all()) == 2


def test_a_damaged_document_hides_no_other(store: DBManager) -> None:
    inside(store, Collection.UNITS).insert_one({"unit": 7, "seen_at": "x", "state": []})
    store.units.begin("fr-hub")
    assert {one.unit for one in store.units.all()} == {"fr-hub", "unknown"}
