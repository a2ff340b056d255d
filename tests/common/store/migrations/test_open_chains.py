"""A trail whose open chains were never listed: those without an anchor are listed."""

import pytest

from common.domain.audit_chain import FIRST, Head, make_entry
from common.domain.audit_events import Kind, event
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.migrations import open_chains
from common.store.migrations.open_chains import OPEN_CHAINS
from common.store.migrations.step import Work
from tests.common.audit.trail import open_chains_of
from tests.factories import inside


def test_chains_of_an_earlier_release_are_listed_unless_they_are_anchored(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_chains, "CHAINS_PER_PAGE", 3)
    heads = []
    for n in range(8):
        first = make_entry(f"w{n}", 0, FIRST, [event(Kind.OPENED)])
        last = make_entry(f"w{n}", 1, first["hash"], [event(Kind.CLOSED)])
        for entry in (first, last):
            store.audit_log.add(entry)
        heads.append(Head(f"w{n}", 1, last["hash"]))
    store.audit_log.add(make_entry("x", 0, FIRST, [event(Kind.OPENED)], heads[:5]))
    store.audit_log.announce("x")
    inside(store, Collection.AUDIT).insert_many([{"_id": 1}, {"_id": {"writer": 3, "seq": 0}}])
    work = Work(store.connection.database)
    assert OPEN_CHAINS.pending(work) == 3
    OPEN_CHAINS.run(work)
    OPEN_CHAINS.run(work)
    assert OPEN_CHAINS.pending(work) == 0
    assert open_chains_of(store) == {"w5", "w6", "w7", "x"}
    named = store.audit_log.not_anchored("me")
    assert {head.at for head in named.heads} == {"w5/1", "w6/1", "w7/1", "x/0"}
    store.audit_log.anchored(named)
    assert open_chains_of(store) == {"x"}
