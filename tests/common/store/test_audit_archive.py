"""What may be archived, and the removal of exactly that."""

from datetime import timedelta

from common.domain.audit_chain import Head, make_entry
from common.domain.audit_events import Kind, event
from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.audit.trail import archivable, entries
from tests.factories import LONG_AGO, inside


def test_only_chains_that_ended_before_and_are_anchored(store: DBManager) -> None:
    archivable(store)
    archive = store.audit_archive
    now = archive.before(0)
    assert abs(now - archive.before(1) - timedelta(days=1)) < timedelta(minutes=1)
    [head] = archive.closed(now)
    assert entries(store, head.writer)[-1]["hash"] == head.hash
    assert list(archive.closed(archive.before(1))) == []
    assert archive.anchored([head, Head(head.writer, head.seq, "0" * 64)]) == {head}


def test_a_chain_does_not_anchor_itself(store: DBManager) -> None:
    first = make_entry("a", 0, "0" * 64, [event(Kind.OPENED)])
    head = Head("a", 0, first["hash"])
    second = make_entry("a", 1, first["hash"], [event(Kind.CLOSED)], [head])
    inside(store, Collection.AUDIT).insert_many([first, second])
    assert store.audit_archive.anchored([head]) == set()


def test_chains_with_a_checkpoint_stay(store: DBManager) -> None:
    last = make_entry("a", 0, "0" * 64, [event(Kind.CHECKPOINT), event(Kind.CLOSED)])
    other = make_entry("b", 0, "0" * 64, [event(Kind.OPENED)], [Head("a", 0, last["hash"])])
    inside(store, Collection.AUDIT).insert_many([last, other])
    assert list(store.audit_archive.closed(utc_now() + timedelta(days=1))) == []


def test_it_removes_what_is_as_it_was_archived_and_nothing_else(store: DBManager) -> None:
    archivable(store)
    all_of_them = entries(store)
    first, second, *_ = all_of_them
    changed = {**second, "hash": "0" * 64}
    assert store.audit_archive.missing([first, changed]) == [
        f"{second['_id']['writer']}/{second['_id']['seq']}"
    ]
    assert store.audit_archive.remove([]) == 0
    assert store.audit_archive.remove([first, changed]) == 1
    assert entries(store) == all_of_them[1:]
    assert store.audit_archive.remove([first]) == 0


def test_tombstones_are_old_ones_without_their_hashes(store: DBManager) -> None:
    for key, state, field in (("a", "Purged", "purged_at"), ("b", "Erased", "erased_at")):
        document = {"report_generated": state, field: LONG_AGO, "voxels_hash": "x"}
        inside(store).insert_one({"_id": key, **document})
        inside(store).insert_one({"_id": f"{key}-new", **document, field: utc_now()})
    archivable(store)
    assert list(store.audit_archive.tombstones(store.audit_archive.before(1))) == [
        {"_id": "a", "report_generated": "Purged", "at": LONG_AGO},
        {"_id": "b", "report_generated": "Erased", "at": LONG_AGO},
    ]
