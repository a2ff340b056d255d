"""Failed scans by their causes."""

import pytest

from common.domain.tenant import tenants_of
from common.store import failure_causes
from common.store.db_manager import DBManager
from tests.factories import edit, make_failed

TENANTS = tenants_of({"north": ("mr-1",)})
HERE, NORTH = TENANTS["default"], TENANTS["north"]


def test_scans_are_grouped_by_why_they_failed(store: DBManager) -> None:
    dark = make_failed(store, 3, cause="too dark")
    [bright] = make_failed(store, 1, cause="too bright")
    [damaged] = make_failed(store, 1)
    edit(store, damaged, error=5)
    make_failed(store, 1, cause="too dark", pacs="mr-1")
    found = store.failure_causes.of(HERE)
    assert found.complete
    assert [(one.cause, one.count) for one in found.causes[:1]] == [("too dark", 3)]
    assert {one.cause: one.count for one in found.causes} == {
        "too dark": 3,
        "too bright": 1,
        "unknown": 1,
    }
    assert sorted(found.causes[0].examples) == sorted(dark)
    assert found.causes[0].newest_at is not None
    assert bright in {key for one in found.causes for key in one.examples}
    assert [one.count for one in store.failure_causes.of(NORTH).causes] == [1]


def test_only_the_latest_failures_are_read(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_failed(store, 3)
    monkeypatch.setattr(failure_causes, "READ_MAX", 2)
    found = store.failure_causes.of(HERE)
    assert (found.complete, found.causes[0].count) == (False, 2)
