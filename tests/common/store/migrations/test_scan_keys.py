"""Version 2: a database of the release before gets the keys of scans, and works on."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from common.audit.recorded_command import recorded_command
from common.audit.verification import AuditVerifier
from common.commands.verify import verify
from common.domain.types import Document, hash_voxels
from common.domain.voxel_compression import unpack
from common.runtime.logger import command_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from common.store.migrations import scan_keys
from common.store.migrations.runner import Migrator
from common.store.schema import SCHEMA_VERSION
from tests.common.store.migrations.old_release import FILE, SCANS, TO_DO, restore
from tests.factories import LONG_AGO, inside, make_report, make_scan, migrate
from tests.processes import ROOT, environment

KEYED = (Collection.SCANS, Collection.REPORTS, Collection.HISTORY, Collection.PICTURES)


@pytest.fixture
def old(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    """A store on a database of the release before, not migrated yet."""
    restore(mongodb_uri, database)
    with closing(DBManager(mongodb_uri, database)) as store:
        yield store


def migrated(store: DBManager) -> None:
    migrate(store.connection.uri, store.connection.name)


def contents(store: DBManager) -> dict[str, list[Document]]:
    return {name: sorted(inside(store, name).find(), key=lambda d: str(d["_id"])) for name in KEYED}


def test_the_old_database_is_small() -> None:
    assert FILE.stat().st_size < 100_000


def test_every_scan_is_renamed_and_keeps_what_it_holds(old: DBManager) -> None:
    before = {d["_id"]: d for d in inside(old).find()}
    migrated(old)
    after = {d["_id"]: d for d in inside(old).find()}
    assert set(after) == SCANS | {"purged-1"}
    for key in SCANS:
        was = before[key.partition("@")[0]]
        kept = {name: after[key][name] for name in was if name != "_id"}
        assert kept == {name: value for name, value in was.items() if name != "_id"}
        assert (after[key]["renamed"], after[key]["schema"]) == (True, SCHEMA_VERSION)
        again = was.get("revision", 1) > 1
        turn_at = was["received_at"] + timedelta(days=1 if again else 0)
        assert (after[key]["reanalysis"], after[key]["turn_at"]) == (again, turn_at)
        assert after[key]["not_before"] >= was["received_at"]
    assert after["purged-1"]["schema"] == SCHEMA_VERSION


def test_reports_history_and_pictures_follow_their_scans(old: DBManager) -> None:
    migrated(old)
    reports = {d["_id"] for d in inside(old, Collection.REPORTS).find()}
    assert reports == {key for key in SCANS if key not in TO_DO and key != "failed-1@pacs-1"} | {
        "revise-waiting-1@pacs-1"
    }
    key = "revised-1@pacs-1"
    history = list(inside(old, Collection.HISTORY).find().sort("_id.revision"))
    assert [(d["_id"], d["scan_id"]) for d in history] == [
        ({"scan": key, "revision": revision}, key) for revision in (1, 2)
    ]
    for revision in (1, 2, 3):
        png = b"png" + bytes([revision])
        assert old.pictures.get(key, hash_voxels(png)) == png
    assert {d["scan_id"] for d in inside(old, Collection.PICTURES).find()} == {key}


def test_an_old_database_is_verified_without_a_gap(old: DBManager) -> None:
    migrated(old)
    old.schema.require()
    assert verify(old).gaps == 0
    verdict = AuditVerifier(old).run()
    assert verdict.total == 0, verdict
    assert set(verdict.notes["stored, never acknowledged: its sender sends it again"].named) == {
        "unsealed-1@pacs-1"
    }


def test_what_waited_is_analysed_and_delivered(old: DBManager) -> None:
    migrated(old)
    with recorded_command(old, "processor", command_log()) as store:
        done = set()
        while claims := [*store.claims.claim("me", 1, 60), *store.claims.claim_expired("me", 60)]:
            for claim in claims:
                voxels: Any = store.claims.fetch_voxels(claim)
                if claim.packing is not None:
                    voxels = unpack(voxels, claim.packing, claim.scan.voxels_bytes)
                assert hash_voxels(voxels) == claim.scan.voxels_hash
                report = make_report(claim.scan, revision=claim.revision)
                assert store.claims.complete([(claim, report)]) == set()
                done.add(claim.scan.key)
        assert done == TO_DO
        sent = set()
        for pacs in ("pacs-1", "pacs-2"):
            inside(old, Collection.REPORTS).update_many({}, {"$set": {"next_try_at": LONG_AGO}})
            for leased in store.outbox.lease(pacs, 100, 60):
                store.outbox.mark_sent([leased.key], leased.revision, pacs)
                sent.add(leased.key)
    assert sent >= TO_DO | {"unsent-1@pacs-1", "unsent-2@pacs-2", "revised-1@pacs-1"}
    assert old.queries.count_reports()[False] == 0
    assert verify(old).gaps == 0
    assert AuditVerifier(old).run().total == 0


def test_a_purged_scan_that_is_sent_again_is_known_by_its_id_and_voxels(old: DBManager) -> None:
    migrated(old)
    voxels = (b"purged-1" * 20)[:100].ljust(100, b".")
    with recorded_command(old, "hub", command_log()) as store:
        for pacs in ("pacs-1", "pacs-2"):
            again, _ = make_scan(scan_id="purged-1", pacs=pacs, voxels=voxels)
            for _ in range(2):
                assert store.scans.add([NewScan(again, voxels)]) == [Added.PURGED]
        other, other_voxels = make_scan(scan_id="purged-1", pacs="pacs-3")
        assert store.scans.add([NewScan(other, other_voxels)]) == [Added.STORED]
        known, _ = make_scan(scan_id="purged-1", pacs="pacs-1")
        assert store.scans.add([NewScan(known, other_voxels)]) == [Added.CONFLICT]
    assert verify(old).gaps == 0
    assert AuditVerifier(old).run().total == 0


def test_another_pacs_may_send_an_id_that_was_renamed(old: DBManager) -> None:
    migrated(old)
    scan, voxels = make_scan(scan_id="waiting-1", pacs="pacs-2")
    with recorded_command(old, "hub", command_log()) as store:
        assert store.scans.add([NewScan(scan, voxels)]) == [Added.STORED]
    assert old.queries.is_renamed("waiting-1@pacs-1")
    assert not old.queries.is_renamed("waiting-1@pacs-2")
    assert AuditVerifier(old).run().total == 0
    # Its events are its own: without them, those of the other scan do not count for it.
    inside(old, Collection.AUDIT).delete_many({"_id.writer": {"$regex": "^hub"}})
    inside(old).update_one({"_id": scan.key}, {"$set": {"report_generated": "Done"}})
    assert scan.key in AuditVerifier(old).run().gaps["Done without a report event"].named


def test_damaged_documents_are_left_readable_and_stop_nothing(old: DBManager) -> None:
    scans = inside(old)
    scans.update_one({"_id": "waiting-1"}, {"$unset": {"scan": 1}})
    scans.update_one({"_id": "waiting-2"}, {"$set": {"scan.pacs": {"not": "a name"}}})
    scans.update_one({"_id": "unsent-1"}, {"$unset": {"scan": 1}})
    scans.insert_one({"_id": 17, "report_generated": "To Do"})
    inside(old, Collection.PICTURES).insert_one({"_id": "odd", "scan_id": "revised-1"})
    inside(old, Collection.HISTORY).insert_one({"_id": {"scan": 5}, "scan_id": "revised-1"})
    inside(old, Collection.REPORTS).insert_one({"_id": "nobodys-1"})
    migrated(old)
    left = {d["_id"] for d in scans.find() if "@" not in str(d["_id"])}
    assert left == {"purged-1", "waiting-1", "waiting-2", "unsent-1", 17}
    reports = inside(old, Collection.REPORTS)
    # The report of a damaged scan stays with it.
    assert {d["_id"] for d in reports.find() if "@" not in d["_id"]} == {"unsent-1", "nobodys-1"}
    assert inside(old, Collection.PICTURES).find_one({"_id": "odd"}) is not None
    with Migrator(old.connection.uri, old.connection.name) as migrator:
        assert migrator.plan() == []


def test_documents_that_an_old_unit_writes_afterwards_are_renamed_by_the_next_run(
    old: DBManager,
) -> None:
    waiting = inside(old).find_one({"_id": "waiting-1"})
    picture = inside(old, Collection.PICTURES).find_one()
    assert waiting is not None
    assert picture is not None
    migrated(old)
    inside(old).insert_one(
        {**waiting, "_id": "late-1", "scan": {**waiting["scan"], "scan_id": "late-1"}}
    )
    inside(old, Collection.PICTURES).insert_one(picture)
    with Migrator(old.connection.uri, old.connection.name) as migrator:
        assert [(step.name, step.pending) for step in migrator.plan()] == [("keys", 2)]
        assert migrator.apply()
    assert inside(old).find_one({"_id": "late-1@pacs-1"}) is not None
    assert {d["scan_id"] for d in inside(old, Collection.PICTURES).find()} == {"revised-1@pacs-1"}


def test_a_copy_never_replaces_what_has_changed_since(old: DBManager) -> None:
    """A run that stood still between reading and copying comes too late."""
    before = inside(old).find_one({"_id": "waiting-1"})
    assert before is not None
    migrated(old)
    inside(old).update_one({"_id": "waiting-1@pacs-1"}, {"$set": {"report_generated": "Done"}})
    inside(old).insert_one(before)  # as if it had not been deleted
    migrated(old)
    stored = inside(old).find_one({"_id": "waiting-1@pacs-1"})
    assert stored is not None
    assert stored["report_generated"] == "Done"
    assert inside(old).find_one({"_id": "waiting-1"}) is None


@pytest.mark.parametrize("limits", [{"PAGE": 1}, {"PAGE": 3}, {"PAGE_BYTES": 1}])
def test_small_pages_give_the_same_database(
    old: DBManager,
    mongodb_uri: str,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, int],
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(scan_keys, name, value)
    migrated(old)
    paged = contents(old)
    monkeypatch.undo()
    old.connection.client.drop_database(database)
    restore(mongodb_uri, database)
    migrated(old)
    assert contents(old) == paged


def test_several_migrate_the_same_database_at_once(old: DBManager) -> None:
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(migrated, [old] * 3))
    assert {d["_id"] for d in inside(old).find()} == SCANS | {"purged-1"}
    assert verify(old).gaps == 0


KILLED_BEFORE = """
import os, signal, sys
import pymongo.monitoring
from common.store.migrations import scan_keys
scan_keys.PAGE = 2
from common.store.migrations.runner import Migrator

WRITES = ("aggregate", "delete", "update", "insert", "create", "createIndexes")

class Killer(pymongo.monitoring.CommandListener):
    left = int(sys.argv[3])
    def started(self, event):
        if event.command_name in WRITES:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    def succeeded(self, event):
        pass
    failed = succeeded

pymongo.monitoring.register(Killer())
with Migrator(sys.argv[1], sys.argv[2]) as migrator:
    assert migrator.apply()
"""
"""Kills itself before its write of this number."""


@pytest.mark.long
def test_a_migration_killed_before_each_write_is_finished_by_the_next(
    old: DBManager, mongodb_uri: str, database: str
) -> None:
    migrated(old)
    wanted = contents(old)
    writes = 0
    while True:
        old.connection.client.drop_database(database)
        restore(mongodb_uri, database)
        ran = subprocess.run(
            [sys.executable, "-c", KILLED_BEFORE, mongodb_uri, database, str(writes)],
            cwd=ROOT,
            env=environment(),
            check=False,
            timeout=120,
        )
        if ran.returncode == 0:
            break
        assert ran.returncode == -signal.SIGKILL
        migrated(old)
        assert contents(old) == wanted, f"killed before write {writes}"
        writes += 3 if writes < 12 else 7
    assert writes > 20


@pytest.mark.slow
def test_fr_migrate_killed_at_any_time_two_at_once_is_finished_by_the_next(
    old: DBManager, mongodb_uri: str, database: str
) -> None:
    migrated(old)
    wanted = contents(old)
    old.connection.client.drop_database(database)
    restore(mongodb_uri, database)
    seed = int.from_bytes(os.urandom(4))
    chance = random.Random(seed)  # noqa: S311
    for _ in range(3):
        two = [_start(mongodb_uri, database) for _ in range(2)]
        time.sleep(chance.uniform(0.5, 2.5))
        for one in two:
            one.kill()
            one.wait()
    last = _start(mongodb_uri, database)
    assert last.wait(120) == 0
    assert contents(old) == wanted, f"seed {seed}"
    old.schema.require()


def _start(uri: str, database: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "common.commands.migrate"],
        cwd=ROOT,
        env=environment(MONGODB_URI=uri, MONGODB_DATABASE=database, APPLY="1"),
        stdout=subprocess.DEVNULL,
    )
