"""A database of version 2 becomes one of version 3: what waits is claimed, the rest stays."""

import pytest

from common.domain.states import ReportGenerated
from common.errors import SchemaOlder
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.migrations.runner import Migrator
from common.store.migrations.waiting_schema import NAME
from common.store.schema import SCHEMA, SCHEMA_VERSION
from tests.factories import document_of, edit, inside, make_claimable, make_reports, migrate

NEW_INDEXES = ("subject", "study", "series")


@pytest.fixture
def version_2(store: DBManager) -> DBManager:
    """A store whose database is as version 2 left it: two scans wait, one is done."""
    [report] = make_reports(store, 1)
    for scan in make_claimable(store, 2):
        edit(store, scan.key, schema=2)
    edit(store, report.key, schema=2)
    inside(store, Collection.META).update_one({"_id": SCHEMA}, {"$set": {"version": 2}})
    for name in NEW_INDEXES:
        inside(store).drop_index(name)
    return store


def test_units_wait_for_the_migration_and_then_claim_what_waits(version_2: DBManager) -> None:
    store = version_2
    with pytest.raises(SchemaOlder, match="has schema version 2"):
        store.check_schema()
    with Migrator(store.connection.uri, store.connection.name) as migrator:
        planned = {step.name: step.pending for step in migrator.plan()}
        assert (planned[NAME], planned["indexes"]) == (2, len(NEW_INDEXES))
        assert migrator.apply()
        assert migrator.plan() == []
    store.check_schema()
    assert len(store.claims.claim("a", 10, 60)) == 2


def test_finished_scans_stay_as_they_are_and_are_analysed_again_when_asked_for(
    version_2: DBManager,
) -> None:
    store = version_2
    migrate(store.connection.uri, store.connection.name)
    [done] = inside(store).find({"report_generated": ReportGenerated.DONE})
    assert done["schema"] == 2
    store.revisions.schedule_reanalysis([done["_id"]], 1)
    store.supervision.fail_damaged()
    assert document_of(store, done["_id"])["schema"] == SCHEMA_VERSION
    claimed = store.claims.claim("a", 10, 60) + store.claims.claim("a", 10, 60)
    assert done["_id"] in {claim.key for claim in claimed}


def test_a_scan_pays_only_for_the_identifiers_that_it_has(store: DBManager) -> None:
    make_claimable(store, 1)
    [mine] = make_claimable(store, 1, subject="p-1", study="0123456789abcdef")
    explain = {"find": Collection.SCANS, "filter": {"scan.subject": "p-1"}}
    plan = store.connection.database.command("explain", explain, verbosity="executionStats")
    assert plan["executionStats"]["totalKeysExamined"] == 1
    assert "'subject'" in str(plan["queryPlanner"]["winningPlan"])
    assert [d["_id"] for d in inside(store).find({"scan.subject": "p-1"})] == [mine.key]
    for name, keys in (("subject", 1), ("study", 1), ("series", 0)):
        explain = {"find": Collection.SCANS, "filter": {}, "hint": name}
        plan = store.connection.database.command("explain", explain, verbosity="executionStats")
        assert plan["executionStats"]["totalKeysExamined"] == keys
