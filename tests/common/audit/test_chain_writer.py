"""A chain: announced before its first entry, and continued where it ended."""

import threading

import pytest

from common.audit.chain_writer import ChainWriter
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import StoreError
from common.runtime.logger import get_log
from common.store.audit_log import AuditLog
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.audit.trail import events, sound
from tests.factories import inside


def chain_writer(store: DBManager) -> ChainWriter:
    return ChainWriter(store.audit_log, "unit", {"port": 7}, get_log(), threading.Event())


def test_a_chain_is_announced_before_its_first_entry(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(_: AuditLog, entry: Document) -> None:
        assert inside(store, Collection.AUDIT_OPEN).find_one({"_id": entry["_id"]["writer"]})
        raise StoreError("enough")

    monkeypatch.setattr(AuditLog, "add", add)
    with pytest.raises(StoreError, match="enough"):
        chain_writer(store).open()


def test_entries_follow_each_other_and_anchors_do_not_count_as_last(store: DBManager) -> None:
    chain = chain_writer(store)
    chain.open()
    chain.write([event(Kind.SEND, ["one"])])
    chain.write([event(Kind.ANCHOR, facts={"last": chain.last})])
    assert chain.last == 1
    assert sound(store).entries == 3
    assert events(store)[0]["port"] == 7


def test_a_writer_that_could_not_announce_for_long_announces_first(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = chain_writer(store)
    chain.open()
    inside(store, Collection.AUDIT_OPEN).delete_many({})
    chain.write([event(Kind.SEND, ["one"])])
    assert inside(store, Collection.AUDIT_OPEN).count_documents({}) == 0
    monkeypatch.setattr("common.audit.chain_writer.ANNOUNCE_LATEST_S", 0.0)
    chain.write([event(Kind.SEND, ["two"])])
    assert inside(store, Collection.AUDIT_OPEN).count_documents({"_id": chain.writer}) == 1
