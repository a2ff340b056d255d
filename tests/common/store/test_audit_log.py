"""The collection of the audit trail: entries are added once, read in order, never replaced."""

import pytest

from common.domain.audit_chain import FIRST, Head, make_entry
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import AuditConflict
from common.store import audit_log
from common.store.audit_log import PAGE
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.audit.trail import open_chains_of
from tests.factories import LONG_AGO, inside, make_claimable


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
    assert store.audit_log.ends("") == {"a": 2, "b": 0}
    assert store.audit_log.ends("a") == {"b": 0}
    assert store.audit_log.ends("", "a") == {"a": 2}
    assert store.audit_log.hashes([Head("a", 2, ""), Head("b", 0, "")]) == {
        "a/2": last[0],
        "b/0": last[1],
    }
    assert store.audit_log.size() == 7


def test_hashes_are_those_of_the_stored_entries(store: DBManager) -> None:
    entries = chain(store, "a", 2)
    asked = [Head("a", 0, "0" * 64), Head("a", 9, "0" * 64)]
    assert store.audit_log.hashes(asked) == {"a/0": entries[0]["hash"]}


def test_entries_are_read_in_order_across_pages(store: DBManager) -> None:
    chain(store, "a", PAGE + 3)
    chain(store, "b", 1)
    read = [entry["_id"]["seq"] for entry in store.audit_log.entries("a", 1, PAGE + 2)]
    assert read == list(range(2, PAGE + 3))
    inside(store, Collection.AUDIT).insert_many([{"_id": 1}, {"_id": {"seq": 7}}])
    everything = [(e["_id"]["writer"], e["_id"]["seq"]) for e in store.audit_log.all_entries()]
    assert everything == [*(("a", n) for n in range(PAGE + 3)), ("b", 0)]


def announced(store: DBManager, writer: str, length: int, kind: Kind = Kind.SEND) -> Head:
    """A chain that its writer announced; its last entry."""
    store.audit_log.announce(writer)
    last = chain(store, writer, length, kind)[-1]
    return Head(writer, length - 1, last["hash"])


def test_heads_that_no_anchor_names_are_to_be_anchored_once(store: DBManager) -> None:
    head = announced(store, "a", 2)
    announced(store, "me", 1)
    named = store.audit_log.not_anchored("me")
    assert named.heads == (head,)
    store.audit_log.anchored(named)
    assert store.audit_log.not_anchored("me").heads == ()
    later = make_entry("a", 2, head.hash, [event(Kind.SEND)])
    store.audit_log.add(later)
    assert store.audit_log.not_anchored("me").heads == (Head("a", 2, later["hash"]),)


def test_an_anchor_is_not_anchored_but_the_entry_before_it_is(store: DBManager) -> None:
    head = announced(store, "a", 1)
    anchor = event(Kind.ANCHOR, facts={"last": 0})
    store.audit_log.add(make_entry("a", 1, head.hash, [anchor]))
    assert store.audit_log.not_anchored("me").heads == (head,)


def test_a_chain_is_open_until_its_end_is_anchored(store: DBManager) -> None:
    announced(store, "ended", 1, Kind.CLOSED)
    announced(store, "running", 1)
    store.audit_log.announce("nothing written")
    named = store.audit_log.not_anchored("me")
    assert {head.writer for head in named.heads} == {"ended", "running"}
    assert open_chains_of(store) == {"ended", "running", "nothing written"}  # not yet
    store.audit_log.anchored(named)
    assert open_chains_of(store) == {"running", "nothing written"}


def test_a_writer_that_announces_nothing_counts_as_ended_once_it_is_anchored(
    store: DBManager,
) -> None:
    for writer in ("killed", "suspended", "empty"):
        store.audit_log.announce(writer)
    heads = {Head(w, 0, chain(store, w, 1)[-1]["hash"]) for w in ("killed", "suspended")}
    inside(store, Collection.AUDIT_OPEN).update_many({}, {"$set": {"announced_at": LONG_AGO}})
    named = store.audit_log.not_anchored("me")
    assert set(named.heads) == heads
    store.audit_log.announce("suspended")  # it continues
    store.audit_log.anchored(named)
    assert open_chains_of(store) == {"suspended"}


def test_more_chains_than_one_anchor_names_come_one_after_the_other(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "HEADS_PER_ANCHOR", 10)
    for n in range(35):
        announced(store, f"w{n:02}", 1, Kind.CLOSED if n % 2 else Kind.SEND)
    seen: set[str] = set()
    for _ in range(4):
        named = store.audit_log.not_anchored("me")
        assert len(named.heads) <= 11
        seen |= {head.writer for head in named.heads}
        store.audit_log.anchored(named)
    assert seen == {f"w{n:02}" for n in range(35)}
    assert len(open_chains_of(store)) == 18


def test_the_times_are_those_of_stored_scans(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    found = store.audit_log.receipts([scan.key, "unknown"])
    assert list(found) == [scan.key]
    assert (found[scan.key].at.year, found[scan.key].recorded_in) == (2001, None)
    assert found[scan.key].sealed
