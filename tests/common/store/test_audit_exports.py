"""What was sent of the trail is known, whichever process asks, and what was pruned is forgotten."""

import contextlib

import pytest

from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind
from common.runtime.logger import get_log
from common.store import audit_exports
from common.store.audit_exports import Unsent
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside


def write(store: DBManager, unit: str, events: int) -> str:
    """A whole chain with these events between its opening and its end; its writer."""
    with contextlib.closing(AuditWriter(store.audit_log, unit, get_log())) as writer:
        for n in range(events):
            writer.note(Kind.CLAIM, [f"s-{n}@pacs-1"])
            writer.wait_durable()
        return writer.writer


def test_what_was_not_sent_is_found_until_it_is_noted(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_exports, "_PAGE", 2)  # several pages
    writers = sorted(write(store, f"unit-{n}", 1) for n in range(5))
    unsent = list(store.audit_exports.unsent())
    assert [one.writer for one in unsent] == writers
    assert {one.after for one in unsent} == {-1}
    entries = [entry for one in unsent for entry in store.audit_exports.entries(one)]
    assert len(entries) == store.audit_log.size()

    ends = {one.writer: one.through for one in unsent}
    store.audit_exports.note({writers[0]: 0, **{name: ends[name] for name in writers[1:]}})
    store.audit_exports.note({writers[1]: 0})  # a late note takes nothing back
    assert list(store.audit_exports.unsent()) == [Unsent(writers[0], 0, ends[writers[0]])]
    store.audit_exports.note(ends)
    assert not list(store.audit_exports.unsent())


def test_a_chain_that_was_pruned_is_forgotten(store: DBManager) -> None:
    kept = write(store, "kept", 0)
    store.audit_exports.note({"gone": 3, kept: 99})
    assert not list(store.audit_exports.unsent())
    found = inside(store, Collection.AUDIT_EXPORTS).find()
    assert [one["_id"] for one in found] == [kept]


def test_one_process_sends_at_a_time(store: DBManager) -> None:
    assert store.audit_exports.lease("a", 60)
    assert not store.audit_exports.lease("b", 60)
    assert store.audit_exports.lease("a", 0)
    assert store.audit_exports.lease("b", 60)  # the lease of 'a' has ended
    store.audit_exports.release("a")  # not its own any more
    assert not store.audit_exports.lease("a", 60)
    store.audit_exports.release("b")
    assert store.audit_exports.lease("a", 60)
