"""One damaged document among sound ones: the migration completes, and renames all the others."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from bson.codec_options import CodecOptions

from common.commands.verify import verify
from common.domain.audit_chain import FIRST, make_entry
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import StoreError
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.migrations.open_chains import OPEN_CHAINS
from common.store.migrations.runner import Migrator
from common.store.migrations.step import Work
from common.store.schema import SCHEMA_VERSION
from tests.common.audit.trail import open_chains_of
from tests.common.store.damaging import (
    Damage,
    removing,
    setting,
    undecodable,
    with_bad_bytes,
    with_id,
)
from tests.common.store.migrations.old_release import SCANS, restore
from tests.factories import inside, migrate

LENIENT: CodecOptions[Document] = CodecOptions(unicode_decode_error_handler="replace")


@pytest.fixture
def old(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    """A store on a database of the release before, not migrated yet."""
    restore(mongodb_uri, database)
    with closing(DBManager(mongodb_uri, database)) as store:
        yield store


def migrated(store: DBManager) -> None:
    migrate(store.connection.uri, store.connection.name)


@pytest.mark.sample(9)
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *[
            (Collection.SCANS, damage)
            for damage in (
                undecodable("scan.pacs"),
                undecodable("scan.scan_id"),
                undecodable("scan.subject"),
                undecodable("report_generated"),
                setting(scan="round"),
                setting(received_at="x"),
                setting(received_at=datetime(9999, 12, 31, tzinfo=UTC), revision=2),
                setting(revision="x"),
                removing("scan"),
                with_id(5),
                with_id(None),
                with_id({"x": 1}),
                with_id("undecodable"),
            )
        ],
        *[
            (Collection.REPORTS, damage)
            for damage in (
                undecodable("pacs"),
                undecodable("report.pacs"),
                undecodable("report"),
                setting(pacs=3, report=4),
                with_id(5),
                with_id("undecodable"),
            )
        ],
        *[
            pytest.param(name, damage, marks=[] if name is Collection.HISTORY else pytest.mark.long)
            for name in (Collection.HISTORY, Collection.PICTURES)
            for damage in (
                undecodable("scan_id"),
                undecodable("schema"),
                setting(scan_id=["revised-1"]),
                setting(scan_id=3),
                removing("scan_id"),
                with_id(5),
                with_id("undecodable"),
                with_id({"scan": "revised-1", "hash": 3, "revision": "x"}),
            )
        ],
    ],
)
def test_one_damaged_document_does_not_stop_the_migration(
    old: DBManager, name: Collection, damage: Damage
) -> None:
    on_scans = name in (Collection.SCANS, Collection.REPORTS)
    found: Any = inside(old, name).find_one({"_id": "unsent-1"} if on_scans else {})
    damage(old, name, found["_id"])
    migrated(old)
    assert old.schema.version() == SCHEMA_VERSION
    with Migrator(old.connection.uri, old.connection.name) as migrator:
        assert migrator.plan() == []
    ids = {
        str(d["_id"]) for d in inside(old).with_options(codec_options=LENIENT).find({}, {"_id": 1})
    }
    assert len(ids) == len(SCANS) + 1
    assert ids >= SCANS - {"unsent-1@pacs-1"}
    verify(old)


def test_a_picture_whose_id_cannot_be_decoded_is_left_alone_and_the_others_are_renamed(
    old: DBManager,
) -> None:
    pictures = inside(old, Collection.PICTURES)
    found: Any = pictures.find_one({})
    added = {**found, "_id": {**found["_id"], "hash": "to-be-bad"}}
    pictures.insert_one(with_bad_bytes(added, "to-be-bad"))
    count = pictures.count_documents({})
    migrated(old)
    with Migrator(old.connection.uri, old.connection.name) as migrator:
        assert migrator.plan() == []
    assert pictures.count_documents({"scan_id": {"$regex": "@"}}) == count - 1
    assert pictures.count_documents({}) == count


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    "damage",
    [
        undecodable("hash"),
        setting(heads="x"),
        setting(heads=[3, {"at": 5}]),
        with_id("undecodable"),
        with_id(5),
        with_id({"writer": ["x"], "seq": 0}),
        with_id({"writer": "x", "seq": 1e300}),
        with_id({"writer": "x", "seq": "y"}),
    ],
)
@pytest.mark.parametrize("seq", [0, 1])
def test_a_damaged_entry_of_the_trail_hides_no_open_chain(
    store: DBManager, damage: Damage, seq: int
) -> None:
    for writer in ("a", "b", "c"):
        first = make_entry(writer, 0, FIRST, [event(Kind.OPENED)])
        store.audit_log.add(first)
        store.audit_log.add(make_entry(writer, 1, first["hash"], [event(Kind.CLOSED)]))
    damage(store, Collection.AUDIT, {"writer": "b", "seq": seq})
    bad = {"_id": {"writer": "bb", "seq": 0}, "to-be-bad": 1}
    inside(store, Collection.AUDIT).insert_one(with_bad_bytes(bad, "bb"))
    inside(store, Collection.AUDIT_OPEN).insert_one({"_id": "note"})
    with_id("undecodable")(store, Collection.AUDIT_OPEN, "note")
    OPEN_CHAINS.run(Work(store.connection.database))
    assert open_chains_of_all(store) >= {"a", "c"}
    assert OPEN_CHAINS.pending(Work(store.connection.database)) == 0


def open_chains_of_all(store: DBManager) -> set[str]:
    inside(store, Collection.AUDIT_OPEN).delete_many({"_id": {"$gt": "c"}})
    return open_chains_of(store)


@pytest.mark.parametrize("version", ["x", None, []])
def test_a_damaged_version_is_an_error_that_says_what_to_do(
    store: DBManager, version: object
) -> None:
    inside(store, Collection.META).update_one({}, {"$set": {"version": version}})
    with pytest.raises(StoreError, match="restore a backup"):
        store.schema.version()
