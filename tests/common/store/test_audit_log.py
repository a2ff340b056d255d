"""The collection of the audit trail: entries are added once, read in order, never replaced."""

import pytest

from common.domain.audit_chain import FIRST, Head, make_entry
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import AuditConflict
from common.store.audit_log import PAGE
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside, make_claimable


def chain(store: DBManager, writer: str, length: int, kind: Kind = Kind.SEND) -> list[Document]:
    prev, entries = FIRST, []
    for seq in range(length):
        entries.append(make_entry(writer, seq, prev, [event(kind, [f"{writer}-{seq}"])]))
        prev = entries[-1]["hash"]
        store.audit_log.add(entries[-1])
    return entries


def test_adding_an_entry_again_changes_nothing(store: DBManager) -> None:
    [entry] = chain(store, "a", 1)
    store.audit_log.add(entry)
    assert store.audit_log.size() == 1


def test_another_entry_at_the_same_place_is_refused(store: DBManager) -> None:
    [entry] = chain(store, "a", 1)
    with pytest.raises(AuditConflict, match="a/0"):
        store.audit_log.add(make_entry("a", 0, FIRST, [event(Kind.CLAIM)]))
    found = inside(store, Collection.AUDIT).find_one()
    assert found is not None
    assert found["hash"] == entry["hash"]


def test_the_heads_are_the_last_entries_whatever_else_is_stored(store: DBManager) -> None:
    last = [chain(store, writer, n)[-1]["hash"] for writer, n in (("a", 3), ("b", 1))]
    foreign = [{"_id": 1}, {"_id": {"writer": "a", "seq": "x"}}, {"_id": {"seq": 7}}]
    inside(store, Collection.AUDIT).insert_many(foreign)
    assert store.audit_log.heads() == [Head("a", 2, last[0]), Head("b", 0, last[1])]
    assert store.audit_log.size() == 7


def test_hashes_are_those_of_the_stored_entries(store: DBManager) -> None:
    entries = chain(store, "a", 2)
    asked = [Head("a", 0, "0" * 64), Head("a", 9, "0" * 64)]
    assert store.audit_log.hashes(asked) == {"a/0": entries[0]["hash"]}


def test_entries_are_read_in_order_across_pages(store: DBManager) -> None:
    chain(store, "a", PAGE + 3)
    [head] = store.audit_log.heads()
    read = [entry["_id"]["seq"] for entry in store.audit_log.entries(head, 1)]
    assert read == list(range(2, PAGE + 3))


def test_heads_that_no_anchor_names_are_to_be_anchored(store: DBManager) -> None:
    last = chain(store, "a", 2)[-1]
    chain(store, "me", 1)
    [head] = store.audit_log.not_anchored("me")
    assert head == Head("a", 1, last["hash"])
    anchor = make_entry("b", 0, FIRST, [event(Kind.SEND)], [head])
    store.audit_log.add(anchor)
    assert [found.at for found in store.audit_log.not_anchored("me")] == ["b/0"]


def test_an_anchor_is_not_anchored_but_the_entry_before_it_is(store: DBManager) -> None:
    [entry] = chain(store, "a", 1)
    anchor = event(Kind.ANCHOR, facts={"last": 0})
    store.audit_log.add(make_entry("a", 1, entry["hash"], [anchor]))
    assert store.audit_log.not_anchored("me") == [Head("a", 0, entry["hash"])]


def test_the_times_are_those_of_stored_scans(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    found = store.audit_log.received_at([scan.key, "unknown"])
    assert list(found) == [scan.key]
    assert found[scan.key].year == 2001
